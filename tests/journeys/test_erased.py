"""200 persons with three bookings, 50 of them erased: they are nowhere, and everything else is as it was."""

import base64
import json
import shutil
import struct
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path

import httpx
import psycopg
import pytest
from psycopg import sql

from infra.merkle import Frontier
from infra.postgres import database
from infra.settings import Settings
from tests.journeys import traces
from tests.journeys.traces import NAME, mobile_of, name_of, number_of

OFFICE, DAYS = "CA-RD-01", ("2011-01-15", "2011-01-16", "2011-01-17")
SERVICES = ("SV-CA-02", "SV-CA-03", "SV-CA-06")
NOW, LATER = "2011-01-10T09:00:00+03:00", "2011-01-10T10:00:00+03:00"
PERSONS, GONE = range(200), range(0, 200, 4)
STAYING = [n for n in PERSONS if n not in GONE]
WITH_WORDS = (0, 1, 4, 5)  # cancel their last booking, and say why, with their name in it
ALL_TRACES = traces.of_persons(PERSONS)
IN_FILES = traces.Search(ALL_TRACES)


class Erased:
    """What was there before and after, of one instance."""

    def __init__(self, served, folder: Path) -> None:
        self.served, self.folder = served, folder
        self.operator = served.token("operator")
        self.staff = served.token("staff", office=OFFICE)
        self.auditor = served.token("auditor")
        self.references: dict[str, str] = {}  # key of a booking → its reference

    def ask(self, method: str, path: str, body=None, *, by=None, key=None, now=NOW, head=None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {by or self.operator}", "Mawid-Now": now}
        if key is not None:
            headers["Idempotency-Key"] = key
        if head is not None:
            headers["Mawid-At-Least"] = str(head)
        return httpx.request(method, f"{self.served.url}/{path}", headers=headers, json=body, timeout=60)

    def done(self, *asked, **told):
        response = self.ask(*asked, **told)
        assert response.status_code in (200, 201, 202), response.text
        return response.json()

    def book_all(self) -> None:
        self.done("POST", f"v1/offices/{OFFICE}/publications", {"from": DAYS[0], "to": DAYS[-1]}, key="p")
        lines = []
        for n in PERSONS:
            for k, (day, service) in enumerate(zip(DAYS, SERVICES, strict=True)):
                start = f"{day}T{8 + n % 20 // 4:02}:{n % 4 * 15:02}"
                told = {"number": number_of(n), "sex": "male", "name": name_of(n), "mobile": mobile_of(n)}
                booked = {"office": OFFICE, "service": service, "starts_at": start, "channel": "portal"}
                lines.append({"command": "book", "key": f"{n}/{k}", "beneficiary": told} | booked)
        lines += [
            {"command": "cancel", "key": f"c{n}", "booking_key": f"{n}/2", "reason": f"{name_of(n)} left"}
            for n in WITH_WORDS
        ]
        body = "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines).encode()
        headers = {"Authorization": f"Bearer {self.operator}", "Mawid-Now": NOW, "Content-Type": "application/x-ndjson"}
        answers = httpx.post(f"{self.served.url}/v1/commands", content=body, headers=headers, timeout=120)
        for answer in map(json.loads, answers.text.splitlines()):
            assert answer["status"] in (200, 201), answer
            self.references[answer["key"]] = answer["body"]["reference"]

    def erase(self, numbers) -> None:
        huda, salem = (self.served.token("operator", name=name) for name in ("huda", "salem"))
        for n in numbers:
            asked = self.done("POST", "v1/persons/erasure", {"number": number_of(n)}, by=huda, key=f"e{n}", now=LATER)
            path = f"v1/persons/erasure/{asked['request']}/approve"
            self.done("POST", path, {}, by=salem, key=f"a{n}", now=LATER)

    def published(self) -> dict[str, object]:
        """Counts, milestones and occupancy, without the position they were read at."""
        head = self.head()
        window = f"office={OFFICE}&service=SV-CA-02&from={DAYS[0]}&to={DAYS[-1]}"
        paths = [
            *(f"v1/availability?{window}", f"v1/availability/slots?office={OFFICE}&service=SV-CA-02&date={DAYS[0]}"),
            *("v1/statistics/running-count", "v1/milestones", "v1/statistics/totals"),
            f"v1/offices/{OFFICE}/queue?date={DAYS[0]}",
        ]
        told = {path: self.done("GET", path, head=head, now=LATER) for path in paths}
        return {path: _without_as_of(answer) for path, answer in told.items()}

    def head(self) -> int:
        with self.connected() as connection:
            return connection.execute("SELECT position FROM log_head").fetchone()[0]

    def root(self, size: int) -> bytes:
        """Of the tree as it was at that size, from the leaves that are stored now."""
        tree = Frontier()
        with self.connected() as connection:
            query = "SELECT leaf FROM log WHERE position <= %s ORDER BY position"
            tree.extend(leaf for (leaf,) in connection.execute(query, (size,)))
        return tree.root()

    def checkpoint(self, size: int) -> str:
        """One that was signed over at least so many facts, as an auditor keeps it."""
        until = time.monotonic() + 30
        while True:
            signed = self.ask("GET", "v1/audit/checkpoint", by=self.auditor).text
            if signed.count("\n") > 1 and int(signed.splitlines()[1]) >= size:
                return signed
            assert time.monotonic() < until, signed
            time.sleep(0.1)

    def verified(self, kept: Path) -> str:
        """What an auditor is told of an export made now, against the checkpoint kept before."""
        export = self.folder.parent / f"log.{self.head()}"
        exported = self.served.run("audit", "export", str(export))
        assert exported.returncode == 0, exported.stderr
        verdict = self.served.run("audit", "verify", str(export), "--checkpoint", str(kept))
        assert verdict.returncode == 0, verdict.stdout + verdict.stderr
        return verdict.stdout

    def connected(self) -> psycopg.Connection:
        return psycopg.connect(self._dsn, autocommit=True)

    @cached_property
    def _dsn(self) -> str:
        with database(Settings.load({"MAWID_DATA_DIR": str(self.folder)})) as found:  # the server's own, joined
            return found.dsn

    def exports(self, persons) -> list[httpx.Response]:
        head = self.head()
        paths = [f"v1/persons/export?number={number_of(n)}" for n in persons]
        with ThreadPoolExecutor(4) as pool:
            return list(pool.map(lambda path: self.ask("GET", path, by=self.staff, head=head, now=LATER), paths))

    # -- where traces could be -----------------------------------------------------------------------------------------

    def files(self) -> list[Path]:
        """The whole data folder (tables, indexes, WAL, the server's log, keys, ledger), and what the server printed."""
        return [*self.folder.rglob("*"), *self.folder.parent.glob("serve-*.txt"), *self.folder.parent.glob("log.*")]

    def dumped(self) -> bytes:
        """Every row of every table, as text and as bytes."""
        parts = []
        with self.connected() as connection:
            query = "SELECT schemaname, tablename FROM pg_tables WHERE schemaname <> ALL(%s)"
            tables = connection.execute(query, (["pg_catalog", "information_schema"],)).fetchall()
            assert {"log", "command_outcome", "person", "note", "opening", "booking"} <= {table for _, table in tables}
            for table in tables:
                name = sql.Identifier(*table)
                parts += [
                    row[0].encode() for row in connection.execute(sql.SQL("SELECT t::text FROM {} t").format(name))
                ]
                with connection.cursor(binary=True) as cursor:
                    for row in cursor.execute(sql.SQL("SELECT * FROM {}").format(name)):
                        parts += [value for value in row if isinstance(value, bytes)]
                        parts += [value.encode() for value in row if isinstance(value, str)]
        return b"\n".join(parts)


def _without_as_of(answer):
    if isinstance(answer, dict):
        return {key: _without_as_of(value) for key, value in answer.items() if key not in ("as_of", "at")}
    return [_without_as_of(each) for each in answer] if isinstance(answer, list) else answer


def _everywhere(erased: Erased) -> list:
    with erased.connected() as connection:
        connection.execute("CHECKPOINT")
    return IN_FILES.found_in(erased.files()) + list(traces.found_in(erased.dumped(), ALL_TRACES))


def _assert_gone_and_the_others_whole(erased: Erased, kept: dict) -> None:
    assert erased.published() == kept["published"]
    assert erased.root(kept["size"]) == kept["root"]
    exports = dict(zip(PERSONS, erased.exports(PERSONS), strict=True))
    for n in STAYING:
        told = exports[n].json()
        assert (told["number"], told["name"], told["mobile"]) == (number_of(n), name_of(n), mobile_of(n))
        assert len(told["bookings"]) == 3
        assert [note["words"] for note in told["notes"]] == ([f"{name_of(n)} left"] if n in WITH_WORDS else [])
    answers = [exports[n] for n in GONE]
    assert {answer.status_code for answer in answers} == {404}
    for n in GONE[:10]:
        reference = erased.references[f"{n}/0"]
        answers += [
            erased.ask("GET", f"v1/bookings/{reference}", by=erased.staff, now=LATER),
            erased.ask("GET", f"v1/bookings/{reference}/history", now=LATER, by=erased.auditor),
            erased.ask("GET", f"v1/bookings/{reference}/calendar.ics", by=erased.staff, now=LATER),
            erased.ask("GET", f"v1/bookings?number={number_of(n)}", by=erased.staff, now=LATER),
        ]
        assert [answer.status_code for answer in answers[-4:]] == [200] * 4
        assert answers[-1].json()["bookings"] == []
    answers.append(erased.ask("GET", "v1/audit/events?limit=1000", now=LATER, by=erased.auditor))
    answers.append(erased.ask("GET", f"v1/offices/{OFFICE}/queue?date={DAYS[0]}", by=erased.staff, now=LATER))
    said = b"\n".join(answer.content for answer in answers)
    assert list(traces.found_in(said, ALL_TRACES)) == []


def test_who_is_erased_is_nowhere_and_the_rest_is_as_before_live_and_after_a_restore(serve, tmp_path):
    erased = Erased(serve("live"), tmp_path / "live")
    erased.book_all()
    size = erased.head()
    kept = {"published": erased.published(), "size": size, "root": erased.root(size)}
    (tmp_path / "kept.checkpoint").write_text(erased.checkpoint(size))
    assert {answer.status_code for answer in erased.exports(GONE)} == {200}
    erased.served.stop()
    shutil.copytree(tmp_path / "live", tmp_path / "backup", symlinks=True)
    erased.served.start()

    erased.erase(GONE)

    _assert_gone_and_the_others_whole(erased, kept)
    erased.verified(tmp_path / "kept.checkpoint")
    assert _everywhere(erased) == []
    assert len((tmp_path / "live/keys/erasure.ledger").read_bytes().splitlines()) == len(GONE)
    daylist = erased.served.run("daylist", OFFICE, DAYS[0])
    assert daylist.stdout.count(NAME) == len(STAYING)

    # The backup of before, with the ledger of after: repeated before anything is served.
    erased.served.stop()
    shutil.copy2(tmp_path / "live/keys/erasure.ledger", tmp_path / "backup/keys/erasure.ledger")
    restored = Erased(serve("backup"), tmp_path / "backup")
    restored.references = erased.references
    _assert_gone_and_the_others_whole(restored, kept)
    restored.verified(tmp_path / "kept.checkpoint")
    assert _everywhere(restored) == []
    restored.served.stop()

    # Another one, without any ledger, once the key it was sealed under is destroyed: it opens nothing, and says so.
    erased.served.start()
    rotated = erased.served.run("keys", "rotate", "vault", "--destroy-old")
    assert rotated.returncode == 0, rotated.stderr
    _assert_gone_and_the_others_whole(erased, kept)
    erased.served.stop()
    shutil.copy2(tmp_path / "live/keys/vault.key", tmp_path / "backup/keys/vault.key")
    refused = restored.served.run("audit", "erasures", "replay")
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert "vault" in refused.stderr


def test_the_search_finds_what_is_planted_in_each_form_and_place(serve, tmp_path):
    """Without this, finding nothing would prove nothing."""
    planted = Erased(serve("live"), tmp_path / "live")
    assert _everywhere(planted) == []
    bodies = {raw for needle in ALL_TRACES for raw in needle.whole[3:4]}
    with planted.connected() as connection:
        connection.execute("ALTER SYSTEM SET wal_compression = off")
        connection.execute("SELECT pg_reload_conf()")
        connection.execute("CREATE TABLE planted (body bytea PRIMARY KEY, words text)")
        for raw in bodies:
            connection.execute("INSERT INTO planted VALUES (%s, 'said')", (b"<" + raw + b">",))
        connection.execute("CHECKPOINT")
        heap, index = (
            connection.execute("SELECT pg_relation_filepath(%s)", (name,)).fetchone()[0]
            for name in ("planted", "planted_pkey")
        )
    (tmp_path / "log.planted").write_bytes(b"<" + b"><".join(bodies) + b">")
    with (tmp_path / f"serve-{planted.served.port}.txt").open("ab") as output:
        output.write(b"<" + b"><".join(bodies) + b">")

    found = IN_FILES.found_in(planted.files())

    everything = {needle.name for needle in ALL_TRACES}
    for place in (heap, index, "pg_wal", "log.planted", "serve-"):
        assert {form for file, form in found if place in file} == everything, place
    assert set(traces.found_in(planted.dumped(), ALL_TRACES)) == everything


@pytest.mark.parametrize("before", range(5))
def test_a_form_is_found_wherever_in_a_longer_text_it_stands(before):
    text = number_of(7)
    longer = "x" * before + text + "yz"

    assert traces.forms(text)["utf-8"] in longer.encode()
    encoded = base64.b64encode(longer.encode())
    assert any(traces.forms(text)[f"base64+{n} of utf-8"] in encoded for n in range(3))
    assert traces.forms(text)["utf-16-le"] in struct.pack("<H", 7) + longer.encode("utf-16-le")
