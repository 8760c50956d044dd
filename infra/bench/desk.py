"""The desk in process, all rules on: asyncio callers in a closed loop over 5,000 slots, persons unique but for 5 %.

Commands are whole before the clock starts: parsing and hashing are the edge's work, and measured over HTTP.
"""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path

import psycopg

from domain import commands
from domain.calendar import RIYADH
from domain.commands import Book, Command
from domain.identifiers import make_number
from infra.bootstrap import OPERATOR, Instance, open_instance
from infra.settings import Settings

OFFICES, DAYS, STARTS_A_DAY, CAPACITY = 20, 11, 24, 40
AT = datetime(2011, 1, 1, 9, tzinfo=RIYADH)
FIRST_DAY = date(2011, 1, 2)
DUPLICATES_EVERY = 20
SERVICE = "SV-RU-01"


def office_of(n: int) -> str:
    return f"RU-{n % OFFICES:02}"


def starts() -> list[datetime]:
    """Of the working days, in the order they are filled: Thursday and Friday are the weekend of 2011."""
    days = [day for n in range(DAYS + 4) if (day := FIRST_DAY + timedelta(days=n)).weekday() not in (3, 4)][:DAYS]
    return [
        datetime(day.year, day.month, day.day, 8, tzinfo=RIYADH) + timedelta(minutes=15 * n)
        for day in days
        for n in range(STARTS_A_DAY)
    ]


@contextmanager
def opened(dsn: str, folder: Path) -> Iterator[Instance]:
    """An instance with its offices published."""
    settings = Settings.load({"MAWID_DATABASE_URL": dsn, "MAWID_DATA_DIR": str(folder)})
    with open_instance(settings, dsn) as instance:
        for future in [instance.desk.submit(command) for command in _offices(instance)]:
            future.result()
        yield instance


def _offices(instance: Instance) -> Iterator[Command]:
    yield commands.RegisterService(
        **instance.stamp(OPERATOR, "service", AT),
        service=SERVICE,
        sector="civil_affairs",
        audience="both",
        minutes=15,
        electronic=True,
        needs_visit=True,
        border_number=False,
        documents="",
        name_ar="خ",
        name_en="s",
    )
    for n in range(OFFICES):
        office = office_of(n)
        stamp = instance.stamp(OPERATOR, f"office/{office}", AT)
        yield commands.RegisterOffice(
            **stamp,
            office=office,
            name_ar="م",
            name_en="o",
            city_ar="م",
            city_en="c",
            region="RU",
            section="mixed",
            counters=CAPACITY,
        )
        live = instance.stamp(OPERATOR, f"live/{office}", AT)
        yield commands.AnnounceLiveDate(**live, office=office, live_from=FIRST_DAY - timedelta(days=30))
        for day in sorted({start.date() for start in starts()}):
            yield commands.PublishDay(**instance.stamp(OPERATOR, f"{office}/{day}", AT), office=office, day=day)


def bookings(instance: Instance, count: int) -> list[Book]:
    every = starts()
    return [_booking(instance, n, every[n // OFFICES % len(every)]) for n in range(count)]


def _booking(instance: Instance, n: int, start: datetime) -> Book:
    person = n - 1 if n % DUPLICATES_EVERY == DUPLICATES_EVERY - 1 else n
    stamp = instance.stamp(OPERATOR, f"booking/{n}", AT, str(n))
    return Book(
        **stamp,
        booking=instance.booking_id(stamp["command_id"]),
        office=office_of(n),
        service=SERVICE,
        starts_at=start,
        beneficiary=instance.beneficiary(make_number("citizen", person), mobile="+966500000001"),
        channel="portal",
    )


def bookings_per_s(dsn: str, folder: Path, callers: int, seconds: float, most: int) -> float:
    """Decided commands, refused duplicates among them; afterwards the log is held against the rules."""
    with opened(dsn, folder) as instance:
        prepared = iter(bookings(instance, most))
        rate = asyncio.run(_race(instance, prepared, callers, seconds))
    refuse_breach(dsn)
    return rate


async def _race(instance: Instance, prepared: Iterator[Book], callers: int, seconds: float) -> float:
    done, started = 0, time.monotonic()

    async def call() -> None:
        nonlocal done
        for command in prepared:
            await instance.desk.submit_async(command)
            done += 1
            if time.monotonic() - started > seconds:
                return

    await asyncio.gather(*(call() for _ in range(callers)))
    return done / (time.monotonic() - started)


def refuse_breach(dsn: str) -> None:
    """RuntimeError if a slot holds more than its capacity, a person books twice, or a position is missing."""
    breaches = {
        "a slot over its capacity": f"""
            SELECT FROM log WHERE type = 'SlotBooked.v1' GROUP BY stream HAVING count(*) > {CAPACITY}""",
        "a person with two bookings of one service": """
            SELECT FROM log WHERE type = 'SlotBooked.v1' GROUP BY person HAVING count(*) > 1""",
        "a gap in the positions": "SELECT FROM log HAVING count(*) <> max(position)",
    }
    with psycopg.connect(dsn) as connection:
        for breach, query in breaches.items():
            if connection.execute(query).rowcount:
                raise RuntimeError(f"the log shows {breach}")
