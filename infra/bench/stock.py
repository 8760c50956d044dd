"""The eventsourcing library used as its documentation shows: an aggregate a slot, `repository.get`, `save`."""

import random
import threading
import time
from uuid import NAMESPACE_URL, UUID, uuid5

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event
from eventsourcing.persistence import IntegrityError
from psycopg.conninfo import conninfo_to_dict

SLOTS = 1_000
CAPACITY = 40


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


def bookings_per_s(dsn: str, threads: int, seconds: float) -> float:
    parts = conninfo_to_dict(dsn)
    env = {"PERSISTENCE_MODULE": "eventsourcing.postgres", "POSTGRES_POOL_SIZE": str(threads)}
    names = {"DBNAME": "dbname", "HOST": "host", "PORT": "port", "USER": "user", "PASSWORD": "password"}
    env |= {f"POSTGRES_{name}": str(parts.get(key, 5432)) for name, key in names.items()}
    app: Application[UUID] = Application(env=env)
    try:
        for n in range(SLOTS):
            app.save(StockSlot(f"slot {n}"))
        return _race(app, threads, seconds)
    finally:
        app.close()


def _race(app: "Application[UUID]", threads: int, seconds: float) -> float:
    counts = [0] * threads
    started = time.monotonic()

    def book(caller: int) -> None:
        chance, n = random.Random(caller), 0
        while time.monotonic() - started < seconds:
            n += 1
            try:
                slot: StockSlot = app.repository.get(StockSlot.create_id(f"slot {chance.randrange(SLOTS)}"))
                slot.book(f"person {caller}/{n}")
                app.save(slot)
            except (IntegrityError, ValueError):
                continue  # another caller was there first, or the slot is full
            counts[caller] += 1

    callers = [threading.Thread(target=book, args=(n,)) for n in range(threads)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    return sum(counts) / (time.monotonic() - started)
