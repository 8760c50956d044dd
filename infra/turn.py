"""A turn at the log: one transaction that holds the append lock, reads what decisions need, and appends a batch.

Everything here runs on one connection between BEGIN and COMMIT. READ COMMITTED is meant: each statement sees what was
committed before it, and after the lock nobody else can append.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import psycopg
from eventsourcing.persistence import StoredEvent
from psycopg import Connection
from psycopg.rows import TupleRow

from domain.events import Fact
from domain.state import Needs
from infra import statements
from infra.merkle import Frontier, leaf_hash
from infra.packing import (
    bool_array,
    bytea_array,
    int8,
    int8_array,
    microseconds,
    text_array,
    timestamptz,
    timestamptz_array,
)
from infra.pipeline import Pipeline, prepare
from infra.receipts import Outcome
from infra.stored_facts import COLUMNS, StoredFact, fact_of
from infra.vault import ContactUpdate, NumberUpdate, SealedPerson


class Asked(NamedTuple):
    """What a batch wants to know as soon as it holds the lock."""

    after: int  # facts after this position
    facts_max: int
    command_ids: Sequence[bytes]
    refused_after: datetime  # refusals are remembered back to here
    lookups: Sequence[bytes]  # as the vault's rows are found


NOTHING: Final = Asked(0, 0, (), datetime(1970, 1, 1, tzinfo=UTC), ())


def prepare_for_turns(connection: Connection[TupleRow]) -> None:
    """A connection on which turns are taken knows their statements."""
    prepare(connection, statements.ALL)


class Turn:
    """Reads go out together with the wait for the lock; writes as soon as they are given, the last with the COMMIT.

    So PostgreSQL works on one part of a batch while the next is decided.
    """

    def __init__(self, connection: Connection[TupleRow], asked: Asked) -> None:
        self._asked = asked
        self._cursor = connection.cursor(binary=True)
        self._pipeline = pipeline = Pipeline(connection)
        pipeline.send(statements.BEGIN)
        pipeline.send(statements.HEAD)
        pipeline.send(statements.TAIL, int8(asked.after), int8(asked.facts_max))
        pipeline.send(
            statements.OUTCOMES, bytea_array(asked.command_ids), timestamptz(microseconds(asked.refused_after))
        )
        pipeline.send(statements.PEOPLE, bytea_array(asked.lookups))
        pipeline.push()

    @classmethod
    def begin(cls, connection: Connection[TupleRow], asked: Asked = NOTHING) -> "Turn":
        """Ask for the append lock, and for what is to be known once it is held: `hold` waits for both."""
        return cls(connection, asked)

    def hold(self) -> None:
        _, head, tail, outcomes, people = self._pipeline.receive()
        self.head: int  # read under the lock, as the frontier is; never from memory
        position, frontier = head.get_value(0, 0), head.get_value(0, 1)
        assert position is not None
        assert frontier is not None
        self.head = int.from_bytes(position, "big")
        self._frontier = Frontier.from_bytes(frontier)
        vault_kek = head.get_value(0, 2)
        #: Under which of its keys the vault seals from here on.
        self.vault_kek: str | None = vault_kek.decode() if vault_kek is not None else None
        self.tail = [fact_of(row) for row in self._pipeline.rows(tail)]
        #: What became of the commands asked about.
        self.outcomes: dict[bytes, Outcome] = {}
        self._expired: list[bytes] = []
        for command_id, *became, is_expired in self._pipeline.rows(outcomes):
            if is_expired:
                self._expired.append(command_id)
            else:
                self.outcomes[command_id] = Outcome(command_id, *became)
        #: Stored look-up → person id, of the numbers that the vault has.
        self.people: dict[bytes, str] = dict(self._pipeline.rows(people))

    def commit(self) -> None:
        """Everything written, or an error and none of it; on a lost connection, one of the two."""
        self._pipeline.send_plain(statements.COMMIT)
        self._pipeline.receive()

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
        for row in self._read(query, (positions,)):
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
        rows = self._read(f"{union} ORDER BY position", [wanted for _, wanted in asked])
        return [fact_of(row) for row in rows]

    def people_of(self, lookups: Collection[bytes]) -> dict[bytes, str]:
        """As `people`, for numbers that only a second look showed to be needed."""
        query = "SELECT lookup, person FROM vault.person WHERE lookup = ANY(%b)"
        return dict(self._read(query, (list(lookups),)))

    def wrapped_keys(self, persons: Collection[str]) -> dict[str, tuple[str, bytes]]:
        """Person id → (id of the key-encryption key, wrapped data key), of rows written by now."""
        # Locked, since a rotation of the vault's key would wrap them anew beside us.
        query = "SELECT person, kek_id, wrapped_key FROM vault.person WHERE person = ANY(%b) FOR UPDATE"
        return {row[0]: (row[1], row[2]) for row in self._read(query, (list(persons),))}

    def _read(self, query: str, parameters: Sequence[Any]) -> Iterable[TupleRow]:
        self._pipeline.drain()
        return self._cursor.execute(query, parameters)

    # -- writing ----------------------------------------------------------------------------------------------------

    def append(self, events: Sequence[StoredEvent]) -> None:
        """Number the events, hash their leaves, extend the tree; `head` is the last one's position from here on."""
        if not events:
            return
        recorded_us = microseconds(datetime.now(UTC))
        streams, versions, types, persons, bookings, commands, ats, states, leaves = ([] for _ in range(9))
        position = self.head
        for event in events:
            position += 1
            if isinstance(event, StoredFact):
                person, booking, command_id, at_us = (
                    event.person,
                    event.booking,
                    event.command_id,
                    microseconds(event.at),
                )
            else:  # a plain event of the library: no tags
                person, booking, command_id, at_us = None, None, None, recorded_us
            stream, version, topic, state = str(event.originator_id), event.originator_version, event.topic, event.state
            streams.append(stream)
            versions.append(version)
            types.append(topic)
            persons.append(person)
            bookings.append(booking)
            commands.append(command_id)
            ats.append(at_us)
            states.append(state)
            leaves.append(
                leaf_hash(position, stream, version, topic, person, booking, command_id, at_us, recorded_us, state)
            )
        self._frontier.extend(leaves)
        self._pipeline.send(
            statements.APPEND,
            int8(self.head),
            text_array(streams),
            int8_array(versions),
            text_array(types),
            text_array(persons),
            text_array(bookings),
            bytea_array(commands),
            timestamptz_array(ats),
            timestamptz(recorded_us),
            bytea_array(states),
            bytea_array(leaves),
            self._frontier.to_bytes(),
        )
        self.head = position

    def keep_outcomes(self, outcomes: Sequence[Outcome]) -> None:
        if self._expired:
            self._pipeline.send(statements.FORGET_OUTCOMES, bytea_array(self._expired))
            self._expired.clear()
        self._pipeline.send(
            statements.KEEP_OUTCOMES,
            timestamptz(microseconds(datetime.now(UTC))),
            bytea_array([outcome.command_id for outcome in outcomes]),
            bytea_array([outcome.fingerprint for outcome in outcomes]),
            int8_array([outcome.first_position for outcome in outcomes]),
            int8_array([outcome.last_position for outcome in outcomes]),
            bool_array([outcome.refused for outcome in outcomes]),
            bytea_array([outcome.said for outcome in outcomes]),
        )

    def seal_people(self, people: Sequence[SealedPerson]) -> None:
        person, lookup, kek_id, *sealed = zip(*people, strict=True)
        columns = text_array(person), bytea_array(lookup), text_array(kek_id), *map(bytea_array, sealed)
        self._pipeline.send(statements.SEAL_PEOPLE, *columns)

    def seal_contacts(self, contacts: Sequence[ContactUpdate]) -> None:
        """What a known person told anew; None leaves what the vault has. The last of a batch counts."""
        for contact in contacts:
            told = contact.name, contact.mobile, contact.language
            self._pipeline.send(statements.SEAL_CONTACT, contact.person.encode(), *told)

    def seal_number(self, update: NumberUpdate) -> None:
        """After everything else the batch tells the vault about persons."""
        self._pipeline.send(statements.SEAL_NUMBER, update.person.encode(), update.lookup, update.number)

    def seal_notes(self, notes: Sequence[tuple[str, str, bytes]]) -> None:
        """(person, what they are about, sealed words)."""
        for person, about, sealed in notes:
            self._pipeline.send(statements.SEAL_NOTE, person.encode(), about.encode(), sealed)

    def erase(self, person: str) -> None:
        """After all else the batch tells the vault: the row with its key, the words, and what commands hashed to."""
        for statement in (statements.ERASE_NOTES, statements.ERASE_PERSON, statements.ERASE_FINGERPRINTS):
            self._pipeline.send(statement, person.encode())

    def push(self) -> None:
        """PostgreSQL may begin with what was written so far."""
        self._pipeline.push()


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
