"""`mawid audit history STREAM`: a stream as of a place of the log, for a terminal. Dates stand in both calendars."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

import msgspec
import psycopg

from api import as_of, audit_streams
from api.problems import Problem
from api.web.language import ARABIC, ENGLISH
from domain import wire
from domain.calendar import local_date
from infra.published_checkpoints import PublishedCheckpoints
from projections.projection import snapshot

#: Members of a fact that its first two lines tell; the others follow, a line each.
_HEAD: Final = ("position", "type", "at", "hijri", "recorded_at", "by", "channel", "policy", "command_id")


class UnusableStream(Exception):
    """There is no such stream, or no such place of the log."""


def stream_history(
    dsn: str, stream: str, *, at: datetime | None, at_position: int | None, now: datetime, folded_max: int
) -> dict[str, Any]:
    """As GET /v1/audit/streams/{stream} answers, with every fact. Raises UnusableStream."""
    with psycopg.connect(dsn, autocommit=True) as connection, snapshot(connection):
        try:
            of = as_of.asked(connection, at=at, at_position=at_position)
            found = audit_streams.read(connection, stream, of, after=0, limit=folded_max, folded_max=folded_max)
            read_under = PublishedCheckpoints().latest(connection)
        except Problem as problem:
            reason = f"{stream}: the log has no such stream" if problem.type.name == "not-found" else problem.detail
            raise UnusableStream(reason) from problem
        except (wire.UnknownEvent, msgspec.DecodeError) as error:
            raise UnusableStream(f"{stream}: a fact of it cannot be read ({error})") from error
    if at is not None or at_position is not None:
        now = at or of.at or now
    return audit_streams.shown(stream, found, of, now, read_under)


# -- on a terminal ----------------------------------------------------------------------------------------------------


def lines(told: dict[str, Any]) -> Iterator[str]:
    place = told["as_of"]
    when = f", {_both(place['at'])}" if place["at"] is not None else ""
    yield f"{told['stream']} as of position {place['position']}{when}: {told['events']} facts"
    for name, value in told["state"].items():
        yield f"  {name}: {_value(value)}"
    for fact in told["facts"]:
        channel = f" over {fact['channel']}" if fact.get("channel") else ""
        yield ""
        yield f"{fact['position']}  {fact['type']}  {_both(fact['at'])}"
        yield f"  by {fact['by']}{channel}, policy {fact['policy']}, command {fact['command_id']}"
        yield f"  recorded {_both(fact['recorded_at'])}"
        for name, value in fact.items():
            if name not in _HEAD and value is not None:
                yield f"  {name}: {_value(value)}"
    if told["checkpoint"] is not None:
        yield from ("", "read under the checkpoint", *told["checkpoint"].splitlines())


def _both(instant: str) -> str:
    """The instant at the offices' clock, and its Umm al-Qura date in both languages."""
    at = datetime.fromisoformat(instant)
    day = local_date(at)
    return f"{at.isoformat(sep=' ')} ({ENGLISH.hijri(day)} - {_isolated(ARABIC.hijri(day))})"


def _value(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _isolated(text: str) -> str:
    return f"\N{FIRST STRONG ISOLATE}{text}\N{POP DIRECTIONAL ISOLATE}"
