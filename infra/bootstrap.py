"""The composition root: settings and a database become a running instance. Together with cli and processes the only
place that sees every ring.
"""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TypedDict

import psycopg
from eventsourcing.persistence import EventStore

from domain import wire
from domain.commands import Beneficiary, Caller
from domain.events import Event, SlotBooked, WalkedIn
from domain.identifiers import booking_id, parse_number, show_reference
from domain.opening_hours import Calendar
from domain.state import State
from infra.batch import Batch
from infra.catalogue import holidays
from infra.desk import GroupCommitDesk
from infra.erasure_ledger import ErasureLedger
from infra.key_rotation import record_command_key
from infra.keys import KeyFileError, KeyFiles, Keys, key_id
from infra.recorder import Factory, LogRecorder
from infra.reference_keys import ReferenceKeys
from infra.settings import Settings
from infra.strangers import Strangers
from infra.vault import Vault
from infra.vault_rotation import join_epoch
from projections.availability import Availability
from projections.bookings import Bookings
from projections.catalogue import Catalogue
from projections.guardianships import Guardianships
from projections.measurement import MeasurementInputs
from projections.milestones import Milestones
from projections.projection import Projection
from projections.queue import Queue
from projections.totals import Totals
from projections.waiting import Waiting

_NOT_THIS_LOGS = (
    "The {} key in {} is not the one this log was written with: put that one back from the backup of the keys."
)

#: Facts and commands hold no cycles and are not tracked; what is left needs no collection every 700 allocations.
GC_THRESHOLDS = (20_000, 20, 20)

#: Whoever runs `mawid` on the machine itself.
OPERATOR = Caller(role="operator", subject="operator")


class Stamp(TypedDict):
    command_id: bytes
    fingerprint: bytes
    caller: Caller
    at: datetime


@dataclass(frozen=True)
class Instance:
    """What runs on one database in one process: the write side, and the keys that name and seal."""

    settings: Settings
    dsn: str
    keys: Keys
    vault: Vault
    references: ReferenceKeys
    erasures: ErasureLedger
    recorder: LogRecorder
    desk: GroupCommitDesk

    def stamp(self, caller: Caller, key: str, at: datetime, request: str = "") -> Stamp:
        """What makes a command whole: its id under the caller's key, and what `request` (all it asks for) hashes to."""
        keys = self.keys
        return Stamp(
            command_id=keys.command_id(caller.subject, key),
            fingerprint=keys.fingerprint(request.encode()),
            caller=caller,
            at=at,
        )

    def booking_id(self, command_id: bytes, index: int = 0) -> str:
        return booking_id(command_id, index, key=self.keys.command)

    def beneficiary(self, number: str, **told: str | None) -> Beneficiary:
        """From a number as people write it; InvalidNumber otherwise."""
        parsed = parse_number(number)
        lookup = self.keys.number_lookup(parsed.digits)
        return Beneficiary(number=parsed.digits, kind=parsed.kind, lookup=lookup, **told)

    def reference_of(self, booking: str) -> str:
        """As shown to the customer: 7M4K-92QX-R3TB-H."""
        return show_reference(self.references.canonical_of(booking))


def keys_for(settings: Settings, dsn: str) -> Keys:
    """The instance's keys, made if the log is still empty. KeyFileError where they are not those of this log.

    A fresh vault key beside old rows would find nobody and open nothing; a fresh reference key would turn away every
    customer with a code in hand.
    """
    with psycopg.connect(dsn) as connection:
        [head] = connection.execute("SELECT position FROM log_head").fetchone() or [0]
        keys = Keys.open(KeyFiles.named_in(settings), create=head == 0)
        ids = [key.id for key in (*keys.vault_older, keys.vault)]
        strange = connection.execute("SELECT FROM vault.person WHERE kek_id <> ALL(%s) LIMIT 1", (ids,)).fetchone()
        booked = [
            row
            for order in ("ASC", "DESC")
            for row in connection.execute(
                f"SELECT type, state FROM log WHERE type = ANY(%s) ORDER BY position {order} LIMIT 1",
                [[SlotBooked.TOPIC, WalkedIn.TOPIC]],
            )
        ]
        is_ours = record_command_key(connection, key_id("command", keys.command), is_new=head == 0)
    if not is_ours:
        raise KeyFileError(_NOT_THIS_LOGS.format("command", settings.keys.command_key_file))
    if strange is not None:
        raise KeyFileError(_NOT_THIS_LOGS.format("vault", settings.keys.vault_key_file))
    references = {key.id for key in (*keys.reference_older, keys.reference)}
    if not references.issuperset(_reference_key(wire.decode(*row)) for row in booked):
        raise KeyFileError(_NOT_THIS_LOGS.format("reference", settings.keys.reference_key_file))
    return keys


def _reference_key(event: Event) -> str:
    assert isinstance(event, SlotBooked | WalkedIn)
    return event.reference_key


@contextmanager
def open_instance(settings: Settings, dsn: str) -> Iterator[Instance]:
    """The desk runs from here on; on leaving, what is queued is committed."""
    gc.set_threshold(*GC_THRESHOLDS)
    keys = keys_for(settings, dsn)
    vault = Vault(keys, settings.keys.vault_key_file)
    join_epoch(dsn, vault)
    env = {"DATABASE_URL": dsn, "POOL_CONNECTIONS_MAX": str(settings.storage.pool_connections_max)}
    factory = Factory(env)
    try:
        recorder = factory.application_recorder()
        events: EventStore[str] = factory.event_store(recorder=recorder)
        strangers = Strangers(vault)
        state = State(
            calendar=Calendar(holidays()),
            reference_key=keys.reference.id,
            new_person=strangers.new_person,
        )
        desk = GroupCommitDesk(dsn, Batch(state, events, vault, strangers, settings.desk), state, settings.desk)
        try:
            erasures = ErasureLedger(settings.vault.erasure_ledger_file)
            references = _references(settings, keys, lambda booking: _key_of(recorder, booking))
            yield Instance(settings, dsn, keys, vault, references, erasures, recorder, desk)
        finally:
            desk.close()
    finally:
        factory.close()


def _references(settings: Settings, keys: Keys, key_of: Callable[[str], str | None]) -> ReferenceKeys:
    return ReferenceKeys([*keys.reference_older, keys.reference], settings.keys.reference_key_file, key_of)


def _key_of(recorder: LogRecorder, booking: str) -> str | None:
    row = recorder.first_of_booking(booking, [SlotBooked.TOPIC, WalkedIn.TOPIC])
    return _reference_key(wire.decode(*row)) if row is not None else None


def views_of(reference_hash_of: Callable[[str, str], bytes]) -> tuple[Projection, ...]:
    """Every view there is: a new one is its file and a place here."""
    return (
        Availability(),
        Bookings(reference_hash_of),
        Catalogue(),
        Guardianships(),
        MeasurementInputs(),
        Milestones(),
        Queue(),
        Totals(),
        Waiting(),
    )


VIEWS = tuple(view.name for view in views_of(lambda _booking, _key_id: b""))


def views_for(settings: Settings, dsn: str) -> tuple[Projection, ...]:
    """The views by themselves, for `mawid follow` and `rebuild`."""
    return views_of(_references(settings, keys_for(settings, dsn), lambda _: None).hash_of)
