"""Bookings go on while a backup is taken and after it; any later moment can be had back, with all that was its own."""

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from infra.checkpoints import Signer
from infra.postgres import start_embedded
from infra.signed_note import Checkpoint, Note
from infra.signing import signing_files
from tests.infra.backups import ArchivedOffice

pytestmark = pytest.mark.faults

MOMENTS = 3
PEOPLE = 1_500  # of 48 starts with 40 counters
PER_S = 150


@pytest.fixture
def loaded(tmp_path):
    with ExitStack() as parts:
        yield ArchivedOffice.opened(tmp_path, parts, counters=40)


def test_nothing_acknowledged_before_the_moment_is_lost(loaded, tmp_path):
    office, acknowledged = loaded.office, []
    commands = [office.booking(n, start=office.start_after(n % 48)) for n in range(PEOPLE)]
    begun = threading.Event()

    def book(command):
        receipt = office.instance.desk.submit(command).result(60)
        assert receipt.refusal is None
        acknowledged.append((datetime.now(UTC), command.booking))
        if len(acknowledged) > PEOPLE // 10:
            begun.set()

    def book_all():
        with ThreadPoolExecutor(16) as pool:
            booked = []
            for command in commands:
                booked.append(pool.submit(book, command))
                time.sleep(1 / PER_S)  # the pace of the customers
            for each in booked:
                each.result()

    def sign_now_and_then():
        with psycopg.connect(loaded.server.dsn, autocommit=True) as connection:
            while customers.is_alive():
                Signer(signing_files(loaded.settings)).sign(connection, datetime.now(UTC))
                customers.join(0.3)

    customers = threading.Thread(target=book_all)
    signer = threading.Thread(target=sign_now_and_then)
    customers.start()
    signer.start()
    begun.wait(60)
    loaded.fold_the_views()
    backup = loaded.backed_up()
    customers.join()
    signer.join()
    loaded.archive_all()

    assert len(acknowledged) == PEOPLE
    last, log = acknowledged[-1][0], log_at(loaded.server.dsn)
    assert last > backup.manifest.consistent_at + timedelta(seconds=1)
    for n in range(MOMENTS):
        moment = random.uniform(backup.manifest.consistent_at.timestamp(), last.timestamp())
        at = datetime.fromtimestamp(moment, UTC)
        restored = loaded.restored(backup, tmp_path / f"new-{n}", at=at)

        kept, checkpoints = found_in(tmp_path / f"new-{n}")
        booked = {booking for *_, topic, booking in kept if topic == "SlotBooked.v1"}
        assert kept == log[: restored.position]
        assert {booking for when, booking in acknowledged if when <= at} - booked == set()
        assert restored.last_at is not None
        assert restored.last_at <= at
        assert len(booked) < PEOPLE
        assert [finding.said for finding in restored.findings if finding.is_wrong] == []
        assert len([finding for finding in restored.findings if "views are equal" in finding.said]) == 1
        assert 0 < max(checkpoints) <= restored.position


def found_in(data_dir):
    """The log, and the sizes of its published checkpoints."""
    server = start_embedded(data_dir)
    try:
        with psycopg.connect(server.dsn) as connection:
            notes = connection.execute("SELECT note FROM checkpoint").fetchall()
        return log_at(server.dsn), [Checkpoint.of(Note.parse(note)).size for (note,) in notes]
    finally:
        server.leave()


def log_at(dsn):
    with psycopg.connect(dsn) as connection:
        return connection.execute("SELECT position, leaf, state, type, booking FROM log ORDER BY position").fetchall()
