"""The log in blocks of 1,000 positions: what has to be known of each to find an instant, and to count up to a place.

Part of the view `totals`. What the view has not seen yet is read from the log itself.
"""

from datetime import datetime
from typing import Final

from psycopg import Connection, Cursor
from psycopg.rows import TupleRow

from domain import wire
from domain.events import SlotBooked
from domain.policy import ELECTRONIC_CHANNELS
from projections.arrays import bigints, columns, instants, integers
from projections.log import Page
from projections.projection import AsOf, position_of

BLOCK_POSITIONS: Final = 1_000
_VIEW: Final = "totals"

DDL: Final = """
    CREATE TABLE block (
        block      bigint PRIMARY KEY,    -- of positions: those from 1,000 times it on
        earliest   timestamptz NOT NULL,  -- least time that any of its facts was decided for: they may step back
        electronic integer NOT NULL       -- first confirmations over electronic channels in it
    );
"""


def is_electronic(event: object) -> bool:
    """What the running count counts (POL-20)."""
    return isinstance(event, SlotBooked) and event.channel in ELECTRONIC_CHANNELS


def keep(facts: Page, cursor: Cursor[TupleRow]) -> int:
    """Returns the electronic confirmations among the facts."""
    found: dict[int, tuple[datetime, int]] = {}
    for position, fact in facts:
        block = position // BLOCK_POSITIONS
        earliest, electronic = found.get(block, (fact.at, 0))
        found[block] = min(earliest, fact.at), electronic + is_electronic(fact.event)
    rows = [(block, *told) for block, told in found.items()]
    if rows:
        cursor.execute(
            """INSERT INTO block SELECT * FROM unnest(%b::bigint[], %b::timestamptz[], %b::integer[])
               ON CONFLICT (block) DO UPDATE
               SET earliest = least(block.earliest, excluded.earliest),
                   electronic = block.electronic + excluded.electronic""",
            columns(rows, bigints, instants, integers),
        )
    return sum(electronic for _, electronic in found.values())


# -- queries: within a snapshot ----------------------------------------------------------------------------------------


def last_at(connection: Connection[TupleRow], at: datetime, *, upto: int) -> AsOf:
    """The last place of the log up to a position that was decided for the instant or before; 0: there is none."""
    seen = min(_seen(connection), upto)
    found = _last_between(connection, at, seen, upto)
    while found is None and (first := _block_with(connection, at, seen)) is not None:
        found = _last_between(connection, at, first - 1, min(first + BLOCK_POSITIONS - 1, seen))
        seen = first - 1  # what the block has lies after `upto`: once at most
    return found if found is not None else AsOf(0, None)


def electronic_upto(connection: Connection[TupleRow], position: int) -> int:
    """First confirmations over electronic channels up to a position, which the view has seen."""
    block = position // BLOCK_POSITIONS
    query = "SELECT coalesce(sum(electronic), 0)::bigint FROM view_totals.block WHERE block < %s"
    [whole] = connection.execute(query, (block,)).fetchone() or [0]
    rest = "SELECT type, state FROM public.log WHERE position BETWEEN %s AND %s"
    with connection.cursor(binary=True) as cursor:
        facts = cursor.execute(rest, (block * BLOCK_POSITIONS, position))
        return int(whole) + sum(is_electronic(wire.decode(topic, state)) for topic, state in facts)


def _seen(connection: Connection[TupleRow]) -> int:
    """How far the blocks go; 0: there are none, such as before a view of an older version is replayed."""
    row = connection.execute("SELECT to_regclass('view_totals.block') IS NOT NULL").fetchone()
    return position_of(connection, _VIEW).position if row is not None and row[0] else 0


def _last_between(connection: Connection[TupleRow], at: datetime, after: int, upto: int) -> AsOf | None:
    query = """
        SELECT position, at FROM public.log WHERE position > %s AND position <= %s AND at <= %s
        ORDER BY position DESC LIMIT 1
    """
    row = connection.execute(query, (after, upto, at)).fetchone() if after < upto else None
    return AsOf(*row) if row is not None else None


def _block_with(connection: Connection[TupleRow], at: datetime, upto: int) -> int | None:
    """First position of the last block that begins by `upto` and has a fact decided for the instant or before."""
    query = "SELECT block FROM view_totals.block WHERE block <= %s AND earliest <= %s ORDER BY block DESC LIMIT 1"
    row = connection.execute(query, (upto // BLOCK_POSITIONS, at)).fetchone() if upto else None
    return row[0] * BLOCK_POSITIONS if row is not None else None
