"""`mawid simulate`: the article's story, played in until the running count stands where it should.

2011-02-26, closed by royal order, is published as an ordinary day and booked as one until the order is announced, the
day after the last working day before it: then every office closes that day, and who is booked moves.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from random import Random

import psycopg

from domain.calendar import RIYADH, hijri
from domain.commands import Book, Command
from domain.policy import ELECTRONIC_CHANNELS
from domain.ports import Receipt
from infra.bootstrap import Instance
from infra.catalogue_loading import load_catalogue
from infra.playing import OnProgress, Played, Player, Standing, last_milestone
from infra.simulation.story import Story

LAUNCH = date(2010, 11, 27)
SEED = 1432
STAGE = "bookings"
PROGRESS_EVERY_COMMANDS = 256


@dataclass(frozen=True)
class Simulated:
    played: Played
    since: date
    until: date  # the day of the story on which the count was reached
    running_count: int  # first confirmations over electronic channels
    bookings: int  # made now, over any channel

    def lines(self) -> Iterator[str]:
        played = self.played
        yield f"bookings made now {self.bookings}, running count {self.running_count}"
        yield f"last milestone {last_milestone(self.running_count)}"
        yield f"story {self.since} to {self.until} ({hijri(self.until)})"
        refused = ", ".join(f"{name} {count}" for name, count in played.refused.most_common())
        yield f"commands {played.commands}, refused {played.refused.total()}{f' ({refused})' if refused else ''}"
        yield f"{played.seconds:.1f} s, {played.commands_per_s:.0f} commands/s"


class _RunningCount:
    """What has been confirmed, and what still may be: together they never pass the count to reach."""

    def __init__(self, confirmed: int) -> None:
        self.confirmed = confirmed
        self.in_flight = 0
        self.bookings = 0

    def send(self, command: Command) -> None:
        self.in_flight += _is_electronic(command)

    def receive(self, command: Command, receipt: Receipt) -> None:
        is_electronic = _is_electronic(command)
        self.in_flight -= is_electronic
        if receipt.refusal is None and not receipt.replayed and isinstance(command, Book):
            self.bookings += 1
            self.confirmed += is_electronic


def simulate(
    instance: Instance,
    *,
    since: date = LAUNCH,
    bookings: int,
    seed: int = SEED,
    on_progress: OnProgress | None = None,
) -> Simulated:
    """Plays until the running count of the whole log is exactly `bookings`; counter bookings come on top.

    Each command has its key from its place in the story, so a second run finds what the first has done and goes on
    from there. Exact only if nobody else books meanwhile.
    """
    launch = datetime.combine(since, time(), RIYADH)
    load_catalogue(instance, launch - timedelta(days=1))
    count = _RunningCount(running_count(instance.dsn))
    story = Story(instance, since, seed, Random(seed))
    with Player(instance.desk, count.receive) as player:
        for number, command in enumerate(story.commands()):
            if _is_electronic(command):
                while count.confirmed + count.in_flight >= bookings > count.confirmed:
                    player.settle(player.in_flight - 1)
            if count.confirmed >= bookings:
                break
            count.send(command)
            player.send(command)
            if on_progress is not None and number % PROGRESS_EVERY_COMMANDS == 0:
                on_progress(Standing(STAGE, count.confirmed, bookings, count.confirmed))
    if on_progress is not None:
        on_progress(Standing(STAGE, count.confirmed, bookings, count.confirmed))
    return Simulated(player.played, since, story.day, count.confirmed, count.bookings)


def running_count(dsn: str) -> int:
    """First confirmations over electronic channels in the log, whoever made them (POL-20)."""
    query = """
        SELECT count(*) FROM log
        WHERE type = 'SlotBooked.v1' AND convert_from(state, 'UTF8')::jsonb ->> 'channel' = ANY(%s)
    """
    with psycopg.connect(dsn) as connection:
        row = connection.execute(query, [sorted(ELECTRONIC_CHANNELS)]).fetchone()
    assert row is not None
    return int(row[0])


def _is_electronic(command: Command) -> bool:
    return isinstance(command, Book) and command.channel in ELECTRONIC_CHANNELS
