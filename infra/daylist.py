"""`mawid daylist OFFICE DATE`: an office's day on paper, for when the system is away.

Plain text for A4: 76 columns, 60 lines a page, pages parted by a form feed. What is Arabic stands between isolates
(U+2068, U+2069), so that it turns nothing around it. Names come from the vault, and each opening is logged there.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

import psycopg
from psycopg import Connection

from api.web.language import ARABIC, ENGLISH
from domain.calendar import RIYADH
from infra.bootstrap import OPERATOR, Instance
from infra.vault import PersonData
from projections import bookings, catalogue
from projections.bookings import BookingRow
from projections.catalogue import Office
from projections.projection import position_of, snapshot

COLUMNS: Final = 76
LINES_A_PAGE: Final = 60
WALK_INS: Final = 10
_RULE: Final = "-" * COLUMNS
_MARGIN: Final = " " * 7
_WALK_IN: Final = "__:__  number ____________  service __________  called __:__  served [ ]"


class UnknownOffice(Exception):
    def __init__(self, office: str) -> None:
        super().__init__(f"there is no office {office}")


@dataclass(frozen=True)
class Expected:
    """Somebody who may still come, or waits."""

    starts_at: datetime
    reference: str
    service_ar: str
    service_en: str
    is_checked_in: bool
    name: str | None  # None: not given, or erased
    last_digits: str | None  # of the number; None: erased


@dataclass(frozen=True)
class DayList:
    office: Office
    day: date
    printed_at: datetime
    position: int  # of the last fact it knows of
    expected: Sequence[Expected]


def day_list(instance: Instance, office: str, day: date, now: datetime) -> DayList:
    """From views that somebody has brought up to the log. Raises UnknownOffice."""
    with psycopg.connect(instance.dsn, autocommit=True) as connection:
        with snapshot(connection):
            offices = catalogue.offices(connection, now=now, office=office)
            services = {each.service: each for each in catalogue.services(connection)}
            rows = bookings.of_day(connection, office, day)
            position = position_of(connection, "bookings").position
        if not offices:
            raise UnknownOffice(office)
        standing = [row for row in rows if row.status in ("confirmed", "checked_in") and not row.unplaced]
        why = f"day list of {office} for {day}"
        expected = [_expected(row, services, instance, _opened(instance, connection, row, why)) for row in standing]
    return DayList(offices[0], day, now, position, expected)


def _opened(instance: Instance, connection: Connection[Any], row: BookingRow, why: str) -> PersonData | None:
    if row.person is None:
        return None
    found = instance.vault.open_person(connection, row.person, OPERATOR.by, why)
    return found if isinstance(found, PersonData) else None


def _expected(
    row: BookingRow, services: Mapping[str, catalogue.Service], instance: Instance, customer: PersonData | None
) -> Expected:
    service = services[row.service]
    return Expected(
        starts_at=row.starts_at,
        reference=instance.reference_of(row.booking),
        service_ar=service.name_ar,
        service_en=service.name_en,
        is_checked_in=row.status == "checked_in",
        name=customer.name if customer is not None else None,
        last_digits=customer.number[-4:] if customer is not None else None,
    )


# -- on paper ---------------------------------------------------------------------------------------------------------


def pages(told: DayList) -> Sequence[str]:
    """Each begins with what it is a page of; nobody's lines are parted by the end of one."""
    head = _head(told)
    blocks = [_lines_of(each) for each in told.expected] or [[f"Nobody is expected. {_isolated('لا مواعيد')}"]]
    packed: list[list[str]] = []
    for block in [*blocks, _walk_ins()]:
        if not packed or len(head) + 1 + len(packed[-1]) + len(block) > LINES_A_PAGE:
            packed.append([])
        packed[-1] += [*block, ""]
    return [
        "\n".join([f"{n} / {len(packed)}".rjust(COLUMNS), *head, *body]).rstrip() + "\n"
        for n, body in enumerate(packed, start=1)
    ]


def _head(told: DayList) -> list[str]:
    office, day = told.office, told.day
    printed_at = told.printed_at.astimezone(RIYADH).strftime("%Y-%m-%d %H:%M")
    return [
        f"{office.office}  {_isolated(_cut(f'{office.name_ar}، {office.city_ar}', 60))}",
        _cut(f"{office.name_en}, {office.city_en}", COLUMNS),
        _isolated(f"{ARABIC.weekday(day)} {ARABIC.day(day)} - {ARABIC.hijri(day)}"),
        f"{ENGLISH.weekday(day)} {ENGLISH.day(day)} - {ENGLISH.hijri(day)}",
        f"{day}: {len(told.expected)} expected; printed {printed_at}, up to position {told.position}",
        f"Personal data: destroy it once entered. {_isolated('بيانات شخصية: تُتلف بعد إدخالها')}",
        _RULE,
    ]


def _lines_of(expected: Expected) -> list[str]:
    start = expected.starts_at.astimezone(RIYADH).strftime("%H:%M")
    came = "came [x]  " if expected.is_checked_in else "came __:__"
    name = _isolated(_cut(expected.name, 55)) if expected.name is not None else "-"
    number = f"  ...{expected.last_digits}" if expected.last_digits is not None else ""
    return [
        f"{start}  {expected.reference}  {came} called __:__ served [ ] not done [ ]",
        f"{_MARGIN}{name}{number}",
        f"{_MARGIN}{_isolated(_cut(expected.service_ar, 33))} / {_cut(expected.service_en, 33)}",
    ]


def _walk_ins() -> list[str]:
    rows: Iterator[str] = (line for _ in range(WALK_INS) for line in ("", _WALK_IN))
    return [_RULE, f"Walk-ins · {_isolated('مراجعون بلا موعد')}", *rows]


def _cut(text: str, columns: int) -> str:
    return text if len(text) <= columns else f"{text[: columns - 3]}..."


def _isolated(text: str) -> str:
    return f"\N{FIRST STRONG ISOLATE}{text}\N{POP DIRECTIONAL ISOLATE}"
