"""The eventsourcing library used as its documentation shows: an aggregate a slot, `repository.get`, `save`."""

import random
import threading
from typing import Final
from uuid import NAMESPACE_URL, UUID, uuid5

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event
from eventsourcing.persistence import IntegrityError
from psycopg.conninfo import conninfo_to_dict

from infra.bench.meter import Meter, Trial

SLOTS: Final = 5_000
CAPACITY: Final = 40
_SAVED_AT_ONCE: Final = 500


class StockSlot(Aggregate):
    def __init__(self, name: str) -> None:
        self.name = name
        self.persons: list[str] = []

    @staticmethod
    def create_id(name: str) -> UUID:
        return uuid5(NAMESPACE_URL, name)

    def book(self, person: str) -> None:
        if person in self.persons or len(self.persons) >= CAPACITY:
            raise ValueError(person)
        self.booked(person)

    @event("Booked")
    def booked(self, person: str) -> None:
        self.persons.append(person)


def bookings(dsn: str, threads: int, seconds: float, meter: Meter) -> Trial:
    """Every person is new, and the rule about persons is the slot's own: less than the desk is asked for."""
    parts = conninfo_to_dict(dsn)
    env = {"PERSISTENCE_MODULE": "eventsourcing.postgres", "POSTGRES_POOL_SIZE": str(threads)}
    names = {"DBNAME": "dbname", "HOST": "host", "PORT": "port", "USER": "user", "PASSWORD": "password"}
    env |= {f"POSTGRES_{name}": str(parts.get(key, 5432)) for name, key in names.items()}
    app: Application[UUID] = Application(env=env)
    try:
        for first in range(0, SLOTS, _SAVED_AT_ONCE):
            app.save(*[StockSlot(f"slot {n}") for n in range(first, first + _SAVED_AT_ONCE)])
        return _race(app, threads, seconds, meter)
    finally:
        app.close()


def _race(app: "Application[UUID]", threads: int, seconds: float, meter: Meter) -> Trial:
    counts = [0] * threads

    def book(caller: int) -> None:
        chance, n = random.Random(caller), 0
        while meter.elapsed_s() < seconds:
            n += 1
            try:
                slot: StockSlot = app.repository.get(StockSlot.create_id(f"slot {chance.randrange(SLOTS)}"))
                slot.book(f"person {caller}/{n}")
                app.save(slot)
            except (IntegrityError, ValueError):
                continue  # another caller was there first, or the slot is full
            counts[caller] += 1

    callers = [threading.Thread(target=book, args=(n,)) for n in range(threads)]
    meter.start()
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    return meter.stop(sum(counts))
