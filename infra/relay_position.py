"""How far the log is on the topic, in the database: a relay reads and saves it, a command moves it, metrics tell it."""

from typing import Any, Final, NamedTuple

from psycopg import Connection

FACTS: Final = "mawid.facts.v1"


class Relayed(NamedTuple):
    position: int
    problem: str | None


class RelayPosition:
    def __init__(self, connection: Connection[Any]) -> None:
        self._connection = connection

    def position(self) -> int:
        return relayed(self._connection).position

    def save(self, before: int, now: int) -> None:
        self._connection.execute(
            "UPDATE relay_position SET position = %s, saved_at = now() WHERE topic = %s AND position = %s",
            (now, FACTS, before),
        )

    def report(self, problem: str | None) -> None:
        self._connection.execute("UPDATE relay_position SET problem = %s WHERE topic = %s", (problem, FACTS))


def relayed(connection: Connection[Any]) -> Relayed:
    row = connection.execute("SELECT position, problem FROM relay_position WHERE topic = %s", (FACTS,)).fetchone()
    assert row is not None
    return Relayed(*row)


def begin_again(connection: Connection[Any], position: int) -> None:
    """Whoever relays goes on with the fact at `position`, and all after it are published anew."""
    connection.execute(
        "UPDATE relay_position SET position = %s, problem = NULL, saved_at = now() WHERE topic = %s",
        (position - 1, FACTS),
    )
