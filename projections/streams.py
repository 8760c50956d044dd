"""A stream as of a place of the log: the facts that made it, and the state the domain folds from them.

A booking and a person are told by their tag, `booking/<id>` and `person/<id>`: their facts lie in the slots' streams.
"""

from collections.abc import Sequence
from typing import NamedTuple

from psycopg import Connection
from psycopg.rows import TupleRow

from domain.booking import Booking, Person
from domain.policies import POLICY_STREAM
from domain.state import KINDS, Bare, Stream
from projections import history
from projections.history import Tag, Told

State = Stream | Bare | Booking | Person


class StreamThen(NamedTuple):
    state: State  # folded from all facts up to the place
    facts: Sequence[Told]  # of those: a page
    next: int | None  # position after which the next page begins
    events: int  # how many facts made the state


class TooLong(Exception):
    """The state is made of more facts than are folded for one answer."""


def read(  # noqa: PLR0913, RUF100 - what is asked, as of when, and how much of it
    connection: Connection[TupleRow], stream: str, *, upto: int, after: int, limit: int, folded_max: int
) -> StreamThen | None:
    """None: the log has nothing of such a stream, at any place. Raises TooLong."""
    tag, value = _tagged(stream)
    state = _nothing_of(stream, tag, value)
    page: list[Told] = []
    events = 0
    for told in history.all_of(connection, tag, value, upto=upto):
        events += 1
        if events > folded_max:
            raise TooLong
        state.evolve(told.fact)
        if told.position > after and len(page) <= limit:
            page.append(told)
    if not events and stream != POLICY_STREAM and not history.is_known(connection, tag, value):
        return None  # the policy's first version is built in
    more = len(page) > limit
    return StreamThen(state, page[:limit], page[limit - 1].position if more else None, events)


def _tagged(stream: str) -> tuple[Tag, str]:
    kind, _, rest = stream.partition("/")
    if kind == "booking":
        return "booking", rest
    return ("person", rest) if kind == "person" else ("stream", stream)


def _nothing_of(stream: str, tag: Tag, value: str) -> State:
    if tag == "booking":
        return Booking(value)
    if tag == "person":
        return Person(value)
    return KINDS.get(stream.partition("/")[0], Bare)(stream)
