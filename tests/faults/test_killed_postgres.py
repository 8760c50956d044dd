"""PostgreSQL is killed under load: what was acknowledged is there, and a retry tells the truth about the rest."""

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from domain.commands import Command
from domain.ports import OutcomeUnknown, Overloaded, Receipt

pytestmark = pytest.mark.faults

KILLS = 3
PEOPLE = 900  # of 48 starts with 40 counters


def test_nothing_acknowledged_is_lost_and_every_retry_is_answered_truly(durable_office):
    server, office = durable_office
    commands = [office.booking(n, start=office.start_after(n % 48)) for n in range(PEOPLE)]
    acknowledged: dict[str, Receipt] = {}
    unanswered: list[Command] = []
    killed: list[int] = []

    def kill_now_and_then():
        for n in range(KILLS):
            until = (n + 1) * PEOPLE // (KILLS + 2)
            while len(acknowledged) < until:
                time.sleep(0.001)
            os.kill(server.postmaster_pid, signal.SIGKILL)
            killed.append(until)
            while not server.ensure_running():
                time.sleep(0.01)

    def book(command):
        try:
            acknowledged[command.booking] = office.instance.desk.submit(command).result(60)
        except (Overloaded, OutcomeUnknown):
            unanswered.append(command)
            time.sleep(0.05)

    killer = threading.Thread(target=kill_now_and_then)
    killer.start()
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(book, commands))
        while killer.is_alive() or unanswered:
            again, unanswered[:] = unanswered[:], []
            list(pool.map(book, again))

    assert len(killed) == KILLS
    assert len(acknowledged) == PEOPLE
    assert all(receipt.refusal is None for receipt in acknowledged.values())
    assert all(office.topics_of(command.booking) == ["SlotBooked.v1"] for command in commands)
    assert office.positions() == list(range(1, office.head() + 1))
