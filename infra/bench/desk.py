"""The desk in process, all rules on: asyncio callers in a closed loop over 5,280 slots, persons unique but for 5 %.

Commands are whole before the clock starts: parsing and hashing are the edge's work, and measured over HTTP.
"""

import asyncio
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Final

from domain import commands
from domain.calendar import RIYADH
from domain.commands import Book, Cancel, Command, Reschedule
from domain.identifiers import make_number
from infra.bench.meter import Meter, Trial
from infra.bench.rules import refuse_breach
from infra.bootstrap import OPERATOR, Instance, open_instance
from infra.processes import SWITCH_INTERVAL_S
from infra.settings import Settings

OFFICES, DAYS, STARTS_A_DAY, CAPACITY = 20, 11, 24, 40
AT = datetime(2011, 1, 1, 7, tzinfo=RIYADH)  # more than 24 hours before the first start: every booking may still move
FIRST_DAY = date(2011, 1, 2)
DUPLICATES_EVERY = 20
SERVICE = "SV-RU-01"
#: Persons with a hold or in line are others than those who book.
HOLDERS_FROM = 1_000_000
_NAMES: Final[dict[type[Command], str]] = {Book: "book", Cancel: "cancel", Reschedule: "reschedule"}


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
def opened(dsn: str, folder: Path, *, in_use: bool = False) -> Iterator[Instance]:
    """An instance with its offices published. `in_use`: with every kind of rule that may stand around a booking."""
    settings = Settings.load({"MAWID_DATABASE_URL": dsn, "MAWID_DATA_DIR": str(folder)})
    with open_instance(settings, dsn) as instance:
        asked = [_offices(instance), _in_use(instance)] if in_use else [_offices(instance)]
        for part in asked:
            for future in [instance.desk.submit(command) for command in part]:
                if (refusal := future.result().refusal) is not None:
                    raise RuntimeError(f"the ground of the trial was refused: {refusal.name}")
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


def _in_use(instance: Instance) -> Iterator[Command]:
    """What the rest of the policy has to keep an eye on: a channel's share, a line at each office, fair release, and a
    live hold at every third start."""
    sms = {"share_percent": 25}
    yield commands.AdoptPolicy(
        **instance.stamp(OPERATOR, "policy", AT), since=AT.date(), rules={"channels": {"sms": sms}}
    )
    person = HOLDERS_FROM
    for n in range(OFFICES):
        office = office_of(n)
        fair = instance.stamp(OPERATOR, f"fair/{office}", AT)
        yield commands.AssignFairRelease(**fair, office=office, is_on=True)
        for entry in range(3):
            person += 1
            stamp = instance.stamp(OPERATOR, f"wait/{office}/{entry}", AT)
            yield commands.JoinWaitingList(
                **stamp,
                entry=instance.booking_id(stamp["command_id"]),
                office=office,
                service=SERVICE,
                since=FIRST_DAY,
                until=FIRST_DAY + timedelta(days=20),
                beneficiary=instance.beneficiary(make_number("citizen", person)),
                channel="portal",
            )
        for start in starts()[::3]:
            person += 1
            stamp = instance.stamp(OPERATOR, f"hold/{office}/{start}", AT)
            yield commands.PlaceHold(
                **stamp,
                hold=instance.booking_id(stamp["command_id"]),
                office=office,
                service=SERVICE,
                starts_at=start,
                beneficiary=instance.beneficiary(make_number("citizen", person)),
                channel="portal",
            )


# -- what is asked for ------------------------------------------------------------------------------------------------


def bookings(instance: Instance) -> Iterator[Book]:
    every, n = starts(), 0
    while True:
        yield _booking(instance, n, every[n // OFFICES % len(every)])
        n += 1


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


def mixed(instance: Instance) -> Iterator[Command]:
    """Of twenty commands 17 book, 2 cancel and 1 moves a booking of the twenty before."""
    books, every, n = bookings(instance), starts(), 0
    before = list(islice(books, 17))
    yield from before
    while True:
        block = list(islice(books, 17))
        yield from block
        for book in before[:2]:
            n += 1
            yield Cancel(**instance.stamp(OPERATOR, f"cancel/{n}", AT, book.booking), booking=book.booking)
        moved = before[2]
        to = every[(every.index(moved.starts_at) + 12) % len(every)]
        yield Reschedule(
            **instance.stamp(OPERATOR, f"move/{n}", AT, moved.booking), booking=moved.booking, starts_at=to
        )
        before = block


# -- the race ---------------------------------------------------------------------------------------------------------


def trial(
    dsn: str,
    folder: Path,
    callers: int,
    *,
    seconds: float,
    most: int,
    meter: Meter,
    mix: bool = False,
    in_use: bool = False,
) -> Trial:
    """Accepted commands; afterwards the log is held against the rules. `most`: commands prepared."""
    with opened(dsn, folder, in_use=in_use) as instance:
        asked: Iterator[Command] = mixed(instance) if mix else bookings(instance)
        prepared = list(islice(asked, most))
        switch_interval_s = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_INTERVAL_S)  # as in a process that serves
        try:
            accepted, measured = asyncio.run(_race(instance, prepared, callers, seconds, meter))
        finally:
            sys.setswitchinterval(switch_interval_s)
    refuse_breach(dsn, capacity=CAPACITY, accepted=accepted)
    return measured


async def _race(
    instance: Instance, prepared: Sequence[Command], callers: int, seconds: float, meter: Meter
) -> tuple[Counter[str], Trial]:
    accepted: Counter[str] = Counter()
    following = iter(prepared)

    async def call() -> None:
        for command in following:
            receipt = await instance.desk.submit_async(command)
            if receipt.refusal is None:
                accepted[_NAMES[type(command)]] += 1
            if meter.elapsed_s() > seconds:
                return

    meter.start()
    await asyncio.gather(*(call() for _ in range(callers)))
    return accepted, meter.stop(accepted.total())
