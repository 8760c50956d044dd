"""`mawid import --clinic ZIP`: real clinic bookings (Vitória, Brazil, 2015-2016; Joni Hoppen, Kaggle, CC BY-NC-SA 4.0)
as bookings and outcomes. They were made under other rules, so the visit's date alone is judged, and each fact says so.
"""

import math
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from pathlib import Path

from domain.calendar import RIYADH
from domain.commands import Beneficiary, Command, ImportVisit, RegisterOffice, RegisterRegion, RegisterService
from domain.opening_hours import SLOT_MINUTES
from domain.ports import Receipt
from infra.bootstrap import OPERATOR, Instance
from infra.clinic_file import ClinicFileError, Line, LineRefused, Lines, Rejects, Visit, reading
from infra.playing import OnProgress, play

__all__ = ["ClinicFileError", "ClinicSummary", "import_clinic"]

REGION, SERVICE, SECTOR = "CL", "SV-CL-01", "clinic"
FIRST_START = time(8)
STARTS_A_DAY = 24  # quarter hours
SHOWN_REFUSALS_MAX = 10


@dataclass
class ClinicSummary:
    read: int = 0
    booked: int = 0
    no_shows: int = 0
    refused: list[tuple[int, str]] = field(default_factory=list)  # line of the CSV file, reason
    rejects: Path | None = None  # the refused lines with their reasons; None: there are none
    persons: int = 0
    places: int = 0
    days: int = 0
    known_before: int = 0  # of the booked ones: an earlier run's
    seconds: float = 0.0

    def lines(self) -> Iterator[str]:
        yield f"read {self.read}, refused {len(self.refused)}, booked {self.booked}, no-shows {self.no_shows}"
        yield f"persons {self.persons}, places {self.places}, visit days {self.days}"
        yield f"new {self.booked - self.known_before}, known before {self.known_before}"
        yield from (f"refused line {line}: {reason}" for line, reason in self.refused[:SHOWN_REFUSALS_MAX])
        if self.rejects is not None:
            yield f"refused lines are in {self.rejects}"
        yield f"{self.seconds:.1f} s, {self.read / max(self.seconds, 1e-9):.0f} lines/s"


def import_clinic(instance: Instance, zip_path: Path, *, on_progress: OnProgress | None = None) -> ClinicSummary:
    """Twice changes nothing. A foreign file is a ClinicFileError before anything is written."""
    survey = _Survey(zip_path)
    play(instance.desk, _clinics(instance, survey), stage="clinics", on_receipt=_refuse_other_clinics)
    rejects = instance.settings.storage.data_dir / "rejects" / f"{zip_path.name.partition('.')[0]}.csv"
    with reading(zip_path) as lines, Rejects(rejects, lines.header) as refused:
        visits = _Visits(instance, survey, lines, refused)
        played = play(
            instance.desk,
            visits.commands(),
            stage="clinic visits",
            total=survey.lines,
            on_receipt=visits.receive,
            on_progress=on_progress,
        )
    summary = visits.summary
    summary.read, summary.seconds = survey.lines, played.seconds
    summary.rejects = rejects if summary.refused else None
    summary.refused.sort()
    return summary


class _Survey:
    """First reading: the places, and how many visits each of their days needs room for."""

    def __init__(self, zip_path: Path) -> None:
        self.lines = 0
        self.first_at: datetime | None = None
        self._visits: Counter[tuple[str, date]] = Counter()
        with reading(zip_path) as lines:
            for line in lines:
                self.lines += 1
                try:
                    visit = lines.visit(line)
                except LineRefused:
                    continue
                self._visits[visit.place, visit.day] += 1
                if self.first_at is None or visit.scheduled_at < self.first_at:
                    self.first_at = visit.scheduled_at
        # By name: a place has the same id whatever the order of the lines.
        places = sorted({place for place, _ in self._visits})
        self.offices = {place: f"CL-{number:02}" for number, place in enumerate(places, start=1)}

    def capacity(self, place: str, day: date) -> int:
        return math.ceil(self._visits[place, day] / STARTS_A_DAY)

    def counters(self, place: str) -> int:
        return max(self.capacity(place, day) for found, day in self._visits if found == place)


def _clinics(instance: Instance, survey: _Survey) -> Iterator[Command]:
    """A region, a service, and an office for each place; without a live date, so that nobody can book there."""
    if survey.first_at is None:
        return
    stamp = instance.stamp(OPERATOR, "clinic/region", survey.first_at)
    yield RegisterRegion(**stamp, region=REGION, name_ar="عيادات فيتوريا", name_en="Vitória clinics")
    yield RegisterService(
        **instance.stamp(OPERATOR, "clinic/service", survey.first_at),
        service=SERVICE,
        sector=SECTOR,
        name_ar="زيارة عيادة",
        name_en="Clinic visit",
        audience="both",
        minutes=SLOT_MINUTES,
        electronic=True,
        needs_visit=True,
        border_number=False,
        documents="",
    )
    for place, office in survey.offices.items():
        yield RegisterOffice(
            **instance.stamp(OPERATOR, f"clinic/office/{office}", survey.first_at, place),
            office=office,
            name_ar=place,
            name_en=place,
            city_ar="فيتوريا",
            city_en="Vitória",
            region=REGION,
            section="mixed",
            counters=survey.counters(place),
            sectors=(SECTOR,),
        )


def _refuse_other_clinics(_: Command, receipt: Receipt) -> None:
    if receipt.refusal is not None:
        raise ClinicFileError(f"the log holds the clinics of another file: {receipt.refusal.detail}")


class _Visits:
    """Second reading: a command for each line, in the order of the file."""

    def __init__(self, instance: Instance, survey: _Survey, lines: Lines, rejects: Rejects) -> None:
        self._instance = instance
        self._survey = survey
        self._lines = lines
        self._rejects = rejects
        self._placed: Counter[tuple[str, date]] = Counter()
        self._in_flight: deque[tuple[Line, Visit]] = deque()
        self._patients: set[str] = set()
        self._places: set[str] = set()
        self._days: set[date] = set()
        self.summary = ClinicSummary()

    def commands(self) -> Iterator[Command]:
        for line in self._lines:
            try:
                visit = self._lines.visit(line)
            except LineRefused as refused:
                self._refuse(line, str(refused))
            else:
                self._in_flight.append((line, visit))
                yield self._command(visit)

    def _command(self, visit: Visit) -> ImportVisit:
        instance = self._instance
        index = self._placed[visit.place, visit.day] % STARTS_A_DAY
        self._placed[visit.place, visit.day] += 1
        starts_at = datetime.combine(visit.day, FIRST_START, RIYADH) + timedelta(minutes=SLOT_MINUTES * index)
        request = "\n".join(map(str, visit))
        stamp = instance.stamp(OPERATOR, f"clinic/{visit.appointment}", visit.scheduled_at, request)
        # Not a national number: kept apart by its prefix, so that no citizen is ever found by a patient's id.
        number = f"clinic:{visit.patient}"
        return ImportVisit(
            **stamp,
            booking=instance.booking_id(stamp["command_id"]),
            office=self._survey.offices[visit.place],
            service=SERVICE,
            starts_at=starts_at,
            beneficiary=Beneficiary(number=number, kind="clinic", lookup=instance.keys.number_lookup(number)),
            channel="portal",
            outcome=visit.outcome,
            capacity=self._survey.capacity(visit.place, visit.day),
        )

    def receive(self, _: Command, receipt: Receipt) -> None:
        line, visit = self._in_flight.popleft()
        if receipt.refusal is not None:
            self._refuse(line, f"{receipt.refusal.name}: {receipt.refusal.detail}")
            return
        self._patients.add(visit.patient)
        self._places.add(visit.place)
        self._days.add(visit.day)
        summary = self.summary
        summary.booked += 1
        summary.known_before += receipt.replayed
        summary.no_shows += visit.outcome == "no_show"
        summary.persons, summary.places, summary.days = len(self._patients), len(self._places), len(self._days)

    def _refuse(self, line: Line, reason: str) -> None:
        self.summary.refused.append((line.number, reason))
        self._rejects.add(line, reason)
