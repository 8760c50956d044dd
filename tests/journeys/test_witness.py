"""A witness on another machine: with the address, the public key and a token it knows when history is rewritten."""

import os
from time import monotonic, sleep

import httpx
import psycopg
import pytest

from infra.merkle import Frontier
from infra.signed_note import Checkpoint, Note, VerifierKey
from infra.stored_tree import ROW, leaf_of

WAIT_S = 20


class Watched:
    """An instance that serves, its database, and the files of a witness elsewhere."""

    def __init__(self, served, database_url, folder):
        self.served, self.database_url, self.state = served, database_url, folder / "witness" / "mawid.checkpoint"
        self.state.parent.mkdir()
        self.signing = folder / "data" / "keys" / "signing.checkpoint"
        self.operator = served.token("operator")
        token = self.state.with_name("token")
        token.write_text(served.token("auditor"))
        self.key = served.run("audit", "key").stdout.strip()
        self.options = ["--url", served.url, "--state", str(self.state), "--token-file", str(token), "--once"]

    def look(self, **differently):
        key = differently.get("key", self.key)
        return self.served.run("audit", "witness", *self.options, "--key", key)

    def grow(self):
        """Until a checkpoint covers it."""
        headers = {"Authorization": f"Bearer {self.operator}", "Mawid-Now": "2011-01-01T09:00:00+03:00"}
        headers["Idempotency-Key"] = os.urandom(8).hex()
        answer = httpx.post(
            f"{self.served.url}/v1/offices/CA-TB-01/counters",
            headers=headers,
            json={"from": "2011-01-08", "to": "2011-01-09", "counters": 3},
        )
        assert answer.status_code == 200, answer.text
        self.until_signed(answer.json()["position"])

    def until_signed(self, size):
        until = monotonic() + WAIT_S
        headers = {"Authorization": f"Bearer {self.operator}", "Accept": "application/json"}
        while True:
            answer = httpx.get(f"{self.served.url}/v1/audit/checkpoint", headers=headers)
            if answer.status_code == 200 and answer.json()["size"] == size:
                return
            assert monotonic() < until, answer.text
            sleep(0.02)

    def rewrite(self, change):
        """As the owner of database, files and signing key: everything made to fit."""
        with psycopg.connect(self.database_url) as owner:
            owner.execute("SET session_replication_role = replica")
            self.signing.unlink()
            owner.execute("DELETE FROM checkpoint; DELETE FROM subtree")
            owner.execute(change)
            tree = Frontier()
            for row in owner.execute(f"SELECT {ROW} FROM log ORDER BY position").fetchall():
                tree.append(leaf_of(row))
                owner.execute("UPDATE log SET leaf = %s WHERE position = %s", (leaf_of(row), row[0]))
            owner.execute("UPDATE log_head SET position = %s, frontier = %s", (tree.size, tree.to_bytes()))
        self.until_signed(tree.size)
        return tree.size


@pytest.fixture
def watched(serve, database_url, tmp_path):
    return Watched(serve(MAWID_DATABASE_URL=database_url), database_url, tmp_path)


def test_a_log_that_grows_is_cosigned_and_one_that_was_rewritten_is_not(watched):
    first = watched.look()
    watched.grow()
    second = watched.look()
    kept = watched.state.read_bytes()

    size = watched.rewrite("UPDATE log SET state = state || ' ' WHERE position = 3")
    rewritten = watched.look()

    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    note = Note.parse(kept)
    cosigner = VerifierKey.parse(second.stdout.split()[1])
    assert note.signed_by(VerifierKey.parse(watched.key), cosigner)[-1] == cosigner
    assert (rewritten.returncode, rewritten.stderr.count("\n")) == (1, 1)
    assert str(Checkpoint.of(note).size) in rewritten.stderr
    assert str(size) in rewritten.stderr
    assert watched.state.read_bytes() == kept


def test_a_log_that_lost_its_end_is_found_by_its_size(watched):
    watched.grow()
    assert watched.look().returncode == 0
    kept = Checkpoint.of(Note.parse(watched.state.read_bytes()))

    size = watched.rewrite(f"DELETE FROM log WHERE position = {kept.size}")
    cut = watched.look()

    assert (cut.returncode, size) == (1, kept.size - 1)
    assert str(size) in cut.stderr
    assert str(kept.size) in cut.stderr


def test_what_a_witness_cannot_judge_is_said_in_one_sentence(watched, tmp_path):
    other = str(VerifierKey("mawid/other", bytes(32)))
    assert watched.look().returncode == 0
    kept = watched.state.read_bytes()

    runs = [watched.look(key=other), watched.look(key="nonsense")]
    watched.state.write_bytes(kept[:-40])
    runs.append(watched.look())
    watched.state.write_bytes(kept)
    watched.options[1] = "http://127.0.0.1:9"
    runs.append(watched.look())
    watched.options[1] = "ftp://127.0.0.1"
    runs.append(watched.look())

    assert [run.returncode for run in runs] == [2] * 5
    assert not [run.stderr for run in runs if "Traceback" in run.stderr]
    assert watched.state.read_bytes() == kept


def test_the_head_is_signed_by_command_where_nothing_serves(serve, database_url):
    served = serve(MAWID_DATABASE_URL=database_url)
    key = VerifierKey.parse(served.run("audit", "key").stdout)
    assert served.stop() == 0
    with psycopg.connect(database_url) as connection:
        connection.execute("DELETE FROM checkpoint")

    run = served.run("audit", "checkpoint")

    note = Note.parse(run.stdout)
    assert note.signed_by(key) == [key]
    with psycopg.connect(database_url) as connection:
        [(head,)] = connection.execute("SELECT position FROM log_head").fetchall()
        connection.execute("UPDATE log_head SET position = position - 1")
    assert Checkpoint.of(note).size == head
    refused = served.run("audit", "checkpoint")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert str(head) in refused.stderr
