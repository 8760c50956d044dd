"""A turn at the log: one transaction that holds the append lock, reads what decisions need, and appends a batch.

Everything here runs on one connection between BEGIN and COMMIT. READ COMMITTED is meant: each statement sees what was
committed before it, and after the lock nobody else can append.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import msgspec
import psycopg
from eventsourcing.persistence import StoredEvent
from psycopg import Connection
from psycopg.rows import TupleRow

from domain import wire
from domain.events import Fact
from domain.state import Needs
from infra.merkle import Frontier, leaf_hash
from infra.vault import ContactUpdate, SealedPerson

COLUMNS = "position, stream, stream_version, type, state, person, booking, command_id, at"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class StoredFact(StoredEvent):
    """A stored event with the tags that become columns of the log."""

    person: str | None
    booking: str | None
    command_id: bytes
    at: datetime


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """What became of a command: a row of `command_outcome`."""

    command_id: bytes
    fingerprint: bytes
    first_position: int | None
    last_position: int
    refused: bool
    said: bytes | None


def microseconds(instant: datetime) -> int:
    """Since 1970-01-01T00:00:00Z, exactly: as leaves hash times."""
    return (instant - _EPOCH) // _MICROSECOND


def fact_of(row: Sequence[Any]) -> Fact:
    """A row of COLUMNS as a fact."""
    _, stream, version, topic, state, person, booking, command_id, at = row
    return Fact(stream, version, at, command_id, person, booking, wire.decode(topic, state))


class Asked(NamedTuple):
    """What a batch wants to know as soon as it holds the lock."""

    after: int  # facts after this position
    facts_max: int
    command_ids: list[bytes]
    refused_after: datetime  # refusals are remembered back to here
    lookups: list[bytes]


_NOTHING = Asked(0, 0, [], _EPOCH, [])


class Turn:
    """Reads go out together with the wait for the lock, writes together with the COMMIT: two round trips a batch."""

    def __init__(self, connection: Connection[TupleRow], asked: Asked) -> None:
        self._connection = connection
        cursors = [connection.cursor(binary=True) for _ in range(4)]
        head, tail, outcomes, people = cursors
        with connection.pipeline():
            connection.execute("BEGIN")
            head.execute("SELECT position, frontier FROM log_head FOR UPDATE")
            if asked.facts_max:
                tail.execute(f"SELECT {COLUMNS} FROM log WHERE position > %s ORDER BY position LIMIT %s", asked[:2])
            if asked.command_ids:
                outcomes.execute(
                    """SELECT command_id, fingerprint, first_position, last_position, refused, said
                       FROM command_outcome WHERE command_id = ANY(%b) AND (NOT refused OR recorded_at > %s)""",
                    (asked.command_ids, asked.refused_after),
                )
            if asked.lookups:
                people.execute("SELECT lookup, person FROM vault.person WHERE lookup = ANY(%b)", (asked.lookups,))
        row = head.fetchone()
        assert row is not None
        self.head: int = row[0]  # read under the lock, as the frontier is; never from memory
        self._frontier = Frontier.from_bytes(row[1])
        self.tail = [fact_of(row) for row in tail] if asked.facts_max else []
        #: What became of the commands asked about.
        self.outcomes = {row[0]: Outcome(*row) for row in outcomes} if asked.command_ids else {}
        #: Number look-up → person id, of the numbers that the vault has.
        self.people: dict[bytes, str] = dict(people) if asked.lookups else {}
        self._cursor = head
        self._writes: list[tuple[str, Sequence[Any]]] = []

    @classmethod
    def take(cls, connection: Connection[TupleRow], asked: Asked = _NOTHING) -> "Turn":
        """Begin, and wait for the append lock."""
        return cls(connection, asked)

    def commit(self) -> None:
        """Everything written, or an error and none of it; on a lost connection, one of the two."""
        with self._connection.pipeline():
            for query, parameters in self._writes:
                self._cursor.execute(query, parameters)
            self._connection.execute("COMMIT", prepare=False)

    # -- reading ----------------------------------------------------------------------------------------------------

    def facts_made(self) -> dict[bytes, list[Fact]]:
        """Of the commands that became something before: command id → its facts, in order."""
        positions = [
            position
            for outcome in self.outcomes.values()
            if outcome.first_position is not None
            for position in range(outcome.first_position, outcome.last_position + 1)
        ]
        if not positions:
            return {}
        query = f"SELECT {COLUMNS} FROM log WHERE position = ANY(%b) ORDER BY position"
        facts: dict[bytes, list[Fact]] = {}
        for row in self._cursor.execute(query, (positions,)):
            fact = fact_of(row)
            facts.setdefault(fact.command_id, []).append(fact)
        return facts

    def facts_for(self, needs: Needs) -> list[Fact]:
        """Every fact of these streams, bookings and persons, each once, in log order."""
        parts = [("stream", needs.streams), ("booking", needs.bookings), ("person", needs.persons)]
        asked = [(column, list(wanted)) for column, wanted in parts if wanted]
        if not asked:
            return []
        union = " UNION ".join(f"SELECT {COLUMNS} FROM log WHERE {column} = ANY(%b)" for column, _ in asked)
        rows = self._cursor.execute(f"{union} ORDER BY position", [wanted for _, wanted in asked])
        return [fact_of(row) for row in rows]

    def people_of(self, lookups: Collection[bytes]) -> dict[bytes, str]:
        """As `people`, for numbers that only a second look showed to be needed."""
        query = "SELECT lookup, person FROM vault.person WHERE lookup = ANY(%b)"
        return dict(self._cursor.execute(query, (list(lookups),)))

    def wrapped_keys(self, persons: Collection[str]) -> dict[str, tuple[str, bytes]]:
        """Person id → (id of the key-encryption key, wrapped data key). None yet for a person of this batch."""
        query = "SELECT person, kek_id, wrapped_key FROM vault.person WHERE person = ANY(%b)"
        return {row[0]: (row[1], row[2]) for row in self._cursor.execute(query, (list(persons),))}

    # -- writing ----------------------------------------------------------------------------------------------------

    def append(self, events: Sequence[StoredEvent]) -> None:
        """Number the events, hash their leaves, extend the tree; `head` is the last one's position from here on."""
        if not events:
            return
        recorded_at = datetime.now(UTC)
        recorded_us = microseconds(recorded_at)
        streams, versions, types, persons, bookings, commands, ats, states, leaves = ([] for _ in range(9))
        position = self.head
        for event in events:
            position += 1
            if isinstance(event, StoredFact):
                person, booking, command_id, at = event.person, event.booking, event.command_id, event.at
                at_us = microseconds(at)
            else:  # a plain event of the library: no tags
                person, booking, command_id, at, at_us = None, None, None, recorded_at, recorded_us
            stream, state = str(event.originator_id), event.state
            streams.append(stream)
            versions.append(event.originator_version)
            types.append(event.topic)
            persons.append(person)
            bookings.append(booking)
            commands.append(command_id)
            ats.append(at)
            states.append(state)
            leaves.append(
                leaf_hash(
                    position,
                    stream,
                    event.originator_version,
                    event.topic,
                    person,
                    booking,
                    command_id,
                    at_us,
                    recorded_us,
                    state,
                )
            )
        self._frontier.extend(leaves)
        columns = (streams, versions, types, persons, bookings, commands, ats, recorded_at, states, leaves)
        self._write(
            """SELECT append_to_log(%s, %b::text[], %b::bigint[], %b::text[], %b::text[], %b::text[], %b::bytea[],
                                    %b::timestamptz[], %s, %b::bytea[], %b::bytea[], %s)""",
            (self.head, *columns, self._frontier.to_bytes()),
        )
        self.head = position

    def keep_outcomes(self, outcomes: Sequence[Outcome]) -> None:
        columns = [list(column) for column in zip(*map(msgspec.structs.astuple, outcomes), strict=True)]
        self._write(
            """INSERT INTO command_outcome
                   (command_id, fingerprint, first_position, last_position, refused, said, recorded_at)
               SELECT *, %s FROM unnest(%b::bytea[], %b::bytea[], %b::bigint[], %b::bigint[], %b::boolean[],
                                        %b::bytea[])
               ON CONFLICT (command_id) DO UPDATE
               SET (fingerprint, first_position, last_position, refused, said, recorded_at) =
                   (excluded.fingerprint, excluded.first_position, excluded.last_position, excluded.refused,
                    excluded.said, excluded.recorded_at)
               WHERE command_outcome.refused""",
            (datetime.now(UTC), *columns),
        )

    def seal_people(self, people: Sequence[SealedPerson]) -> None:
        self._write(
            """INSERT INTO vault.person (person, lookup, kek_id, wrapped_key, number, name, mobile, language)
               SELECT * FROM unnest(%b::text[], %b::bytea[], %b::text[], %b::bytea[], %b::bytea[], %b::bytea[],
                                    %b::bytea[], %b::bytea[])""",
            [list(column) for column in zip(*people, strict=True)],
        )

    def seal_contacts(self, contacts: Sequence[ContactUpdate]) -> None:
        """What a known person told anew; None leaves what the vault has. The last of a batch counts."""
        for contact in contacts:
            self._write(
                """UPDATE vault.person SET name = COALESCE(%s, name), mobile = COALESCE(%s, mobile),
                          language = COALESCE(%s, language) WHERE person = %s""",
                (contact.name, contact.mobile, contact.language, contact.person),
            )

    def seal_notes(self, notes: Sequence[tuple[str, str, bytes]]) -> None:
        """(person, booking, sealed words)."""
        for note in notes:
            self._write(
                """INSERT INTO vault.note (person, booking, sealed) VALUES (%s, %s, %s)
                   ON CONFLICT (person, booking) DO UPDATE SET sealed = excluded.sealed""",
                note,
            )

    def _write(self, query: str, parameters: Sequence[Any]) -> None:
        self._writes.append((query, parameters))


def forget_refusals(dsn: str, kept_h: int) -> int:
    """Refusals older than they are kept for: how many there were. A database that is away is asked again next time."""
    try:
        with psycopg.connect(dsn, connect_timeout=2) as connection:
            return connection.execute(
                "DELETE FROM command_outcome WHERE refused AND recorded_at < now() - make_interval(hours => %s)",
                (kept_h,),
            ).rowcount
    except psycopg.OperationalError:
        return 0
