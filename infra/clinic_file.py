"""The clinic file: a zip with one CSV, read as a stream, and each line as a visit or as the reason why it is none."""

import csv
import os
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from io import TextIOWrapper
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self, TextIO

from domain.identifiers import BOOKABLE_YEARS

COLUMNS = ("PatientId", "AppointmentID", "ScheduledDay", "AppointmentDay", "Neighbourhood", "No-show")
OUTCOMES = {"No": "served", "Yes": "no_show"}
TEXT_MAX = 200  # characters of an id or a place


class ClinicFileError(Exception):
    """It is not the clinic file, or cannot be read, or does not fit this log; one sentence."""


class LineRefused(ValueError):
    """A line that no booking can be made of."""


class Visit(NamedTuple):
    patient: str
    appointment: str
    scheduled_at: datetime  # the instant as it is spelled, in UTC
    day: date  # as the office's own
    place: str
    outcome: str


class Line(NamedTuple):
    number: int  # in the CSV file; the header's is 1
    values: list[str]  # of all its columns


class Lines:
    """Iterated once. ClinicFileError when the file turns out to be broken further down."""

    def __init__(self, path: Path, text: TextIO) -> None:
        self._path = path
        self._rows = csv.reader(text)
        self.header: list[str] = next(self._rows, [])
        lacking = [column for column in COLUMNS if column not in self.header]
        if lacking:
            raise ClinicFileError(f"{path} is not the clinic file: its CSV has no column {', '.join(lacking)}")
        self._indices = [self.header.index(column) for column in COLUMNS]

    def __iter__(self) -> Iterator[Line]:
        for values in self._rows:
            if values:
                yield Line(self._rows.line_num, values)

    def visit(self, line: Line) -> Visit:
        """LineRefused with the first fault."""
        if len(line.values) != len(self.header):
            raise LineRefused(f"has {len(line.values)} values for {len(self.header)} columns")
        return _parse([line.values[index] for index in self._indices])


@contextmanager
def reading(path: Path) -> Iterator[Lines]:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.lower().endswith(".csv")]
            if len(names) != 1:
                raise ClinicFileError(f"{path} is not the clinic file: it holds {len(names)} CSV files instead of one")
            with archive.open(names[0]) as content, TextIOWrapper(content, "utf-8-sig", newline="") as text:
                yield Lines(path, text)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise ClinicFileError(f"{path} cannot be read as a zip: {error}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise ClinicFileError(f"{path} is not the clinic file: its CSV cannot be read ({error})") from error
    except OSError as error:
        raise ClinicFileError(f"{path} cannot be read: {error.strerror}") from error


def _parse(values: Sequence[str]) -> Visit:
    """From the values of COLUMNS."""
    for name, value in zip(COLUMNS, values, strict=True):
        if not value or len(value) > TEXT_MAX or not value.isprintable():
            raise LineRefused(f"{name} is empty, too long, or no text")
    patient, appointment, scheduled, visit, place, no_show = values
    if no_show not in OUTCOMES:
        raise LineRefused("No-show is neither Yes nor No")
    # A visit has a date and no hour, so AppointmentDay is a date of the office's calendar. ScheduledDay is an instant,
    # whose date in Riyadh is the next one from 21:00Z on. Three lines of the file are that late, with visits later
    # still: refused are exactly the five whose visit lies before the booking in the file's own spelling too.
    scheduled_at, day = _instant("ScheduledDay", scheduled), _instant("AppointmentDay", visit).date()
    return Visit(patient, appointment, scheduled_at, day, place, OUTCOMES[no_show])


def _instant(name: str, text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise LineRefused(f"{name} is not a time such as 2016-04-29T18:38:08Z") from None
    if instant.tzinfo is None or instant.year not in BOOKABLE_YEARS:
        raise LineRefused(f"{name} has no zone, or is not of the years 2000 to 2099")
    return instant


class Rejects:
    """Refused lines as they were, each with its number and the reason. No file while nothing is refused."""

    def __init__(self, path: Path, header: Sequence[str]) -> None:
        self.path = path
        self._header = header
        self._file: Any = None
        self._writer: Any = None

    def __enter__(self) -> Self:
        self.path.unlink(missing_ok=True)  # an earlier run's
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, line: Line, reason: str) -> None:
        if self._file is None:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)  # they name patients
            self._file = os.fdopen(descriptor, "w", encoding="utf-8", newline="")
            self._writer = csv.writer(self._file)
            self._writer.writerow(["line", "reason", *self._header])
        self._writer.writerow([line.number, reason, *line.values])
