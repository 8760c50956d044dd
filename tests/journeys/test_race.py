"""64 clients race through two API processes for 40 slots of capacity 3, while processes are killed under them."""

import asyncio
import itertools
import os
import random
import signal

import httpx
import psycopg
import pytest

from domain.identifiers import make_number

pytestmark = pytest.mark.faults

CLIENTS, PEOPLE, ATTEMPTS = 64, 150, 1_500
STARTS = [f"2011-01-{day:02}T{8 + n // 4:02}:{n % 4 * 15:02}" for day in (15, 16) for n in range(20)]
NOW = "2011-01-15T06:30:00+03:00"


class Race:
    """Clients that ask again, with the same key, until they are answered."""

    def __init__(self, urls: list[str], token: str, seed: int) -> None:
        self.urls, self.seed = urls, seed
        self.headers = {"Authorization": f"Bearer {token}", "Mawid-Now": NOW}
        self.answered: dict[str, tuple[int, bytes]] = {}  # key → status and body
        self.bodies: dict[str, dict] = {}
        self.asked_again = 0

    async def run(self, disturb) -> None:
        limits = httpx.Limits(max_connections=CLIENTS)
        async with httpx.AsyncClient(timeout=20, limits=limits) as client:
            numbers = itertools.count()
            await asyncio.gather(disturb(self), *(self._client(client, n, numbers) for n in range(CLIENTS)))

    async def _client(self, client: httpx.AsyncClient, n: int, numbers) -> None:
        chance = random.Random(f"{self.seed}/{n}")
        while (attempt := next(numbers)) < ATTEMPTS:
            key = f"race-{attempt}"
            person = {"number": make_number("citizen", chance.randrange(PEOPLE)), "sex": "male"}
            body = {
                "office": "CA-TB-01",
                "service": "SV-CA-02",
                "starts_at": chance.choice(STARTS),
                "beneficiary": person,
                "channel": "portal",
            }
            self.bodies[key] = body
            self.answered[key] = await self.ask(client, key, chance)

    async def ask(self, client: httpx.AsyncClient, key: str, chance: random.Random) -> tuple[int, bytes]:
        while True:
            url = chance.choice(self.urls)
            try:
                answer = await client.post(
                    f"{url}/v1/bookings", json=self.bodies[key], headers=self.headers | {"Idempotency-Key": key}
                )
            except httpx.TransportError:
                answer = None
            if answer is not None and answer.status_code != 503:
                return answer.status_code, answer.content
            self.asked_again += 1
            await asyncio.sleep(0.05)


@pytest.fixture
def raced(serve, durable_postgres):
    """Two servers on one durable database, with 48 slots of capacity 3: (database, servers, race)."""
    database = durable_postgres()
    environ = {"MAWID_DATABASE_URL": database.dsn}
    servers = [serve(**environ)]
    servers.append(serve(**environ))
    token = servers[0].token("operator")
    ask = {"Authorization": f"Bearer {token}", "Mawid-Now": NOW}
    for name, body in (
        ("publications", {"from": "2011-01-15", "to": "2011-01-16"}),
        ("counters", {"from": "2011-01-15", "to": "2011-01-16", "counters": 3}),
    ):
        url = f"{servers[0].url}/v1/offices/CA-TB-01/{name}"
        httpx.post(url, json=body, headers=ask | {"Idempotency-Key": name}).raise_for_status()
    return database, servers, Race([server.url for server in servers], token, seed=1432)


def the_log_is_whole(database, race: Race) -> None:
    with psycopg.connect(database.dsn) as connection:
        positions = [row[0] for row in connection.execute("SELECT position FROM log ORDER BY position")]
        bookings = connection.execute("SELECT stream, person, booking FROM log WHERE type = 'SlotBooked.v1'").fetchall()

    assert positions == list(range(1, len(positions) + 1))
    by_slot: dict[str, list[str]] = {}
    by_person: dict[str, list[str]] = {}
    for stream, person, booking in bookings:
        by_slot.setdefault(stream, []).append(booking)
        by_person.setdefault(person, []).append(booking)
    assert max(map(len, by_slot.values())) <= 3
    assert max(map(len, by_person.values())) == 1
    acknowledged = [body for status, body in race.answered.values() if status == 201]
    assert len(acknowledged) == len(bookings)
    assert all(any(booking.encode() in body for body in acknowledged) for _, _, booking in bookings)
    assert {status for status, _ in race.answered.values()} <= {201, 409}


def test_two_processes_never_overbook(raced):
    database, _, race = raced

    asyncio.run(race.run(nothing_happens))

    assert len(race.answered) == ATTEMPTS
    the_log_is_whole(database, race)


def test_an_api_process_killed_in_the_middle_loses_nothing(raced):
    database, servers, race = raced
    killed = []

    async def kill_workers(race):
        for n in (1, 2, 3):
            while len(race.answered) < n * ATTEMPTS // 5:
                await asyncio.sleep(0.005)
            killed.append(servers[n % 2].kill_a_worker())

    asyncio.run(race.run(kill_workers))

    assert len(killed) == 3
    the_log_is_whole(database, race)
    asyncio.run(every_key_answers_the_same_again(race))


def test_a_database_killed_in_the_middle_loses_nothing(raced):
    database, _, race = raced
    killed = []

    async def kill_database(race):
        for n in (1, 2):
            while len(race.answered) < n * ATTEMPTS // 4:
                await asyncio.sleep(0.005)
            os.kill(database.postmaster_pid, signal.SIGKILL)
            killed.append(n)
            while not await asyncio.to_thread(database.ensure_running):
                await asyncio.sleep(0.02)

    asyncio.run(race.run(kill_database))

    assert killed == [1, 2]
    assert race.asked_again > 0
    the_log_is_whole(database, race)
    asyncio.run(every_key_answers_the_same_again(race))


async def nothing_happens(_race) -> None:
    pass


async def every_key_answers_the_same_again(race: Race) -> None:
    chance = random.Random(1)
    async with httpx.AsyncClient(timeout=20) as client:
        for key, first in list(race.answered.items())[::10]:
            assert await race.ask(client, key, chance) == first
