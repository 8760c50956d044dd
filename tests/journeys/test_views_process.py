"""The views of a served instance are folded by one process beside its workers, whatever becomes of it."""

import time
from typing import Any

import httpx
import psutil
import pytest

from tests.journeys.conftest import Served

WAIT_S = 30
OFFICE = "CA-TB-01"


def publish(served: Served, day: str) -> int:
    """The position of its last fact."""
    told = {"Authorization": f"Bearer {served.token('operator')}", "Idempotency-Key": day}
    body = {"from": day, "to": day}
    answer = httpx.post(
        f"{served.url}/v1/offices/{OFFICE}/publications",
        json=body,
        headers=told | {"Mawid-Now": "2011-02-01T08:00:00+03:00"},
    )
    position: int = answer.json()["position"]
    return position


def capacity(served: Served, day: str, position: int) -> int:
    """Read no earlier than that position."""
    asked = {"office": OFFICE, "service": "SV-CA-02", "from": day, "to": day}
    answer = httpx.get(
        f"{served.url}/v1/availability", params=asked, headers={"Mawid-At-Least": str(position)}, timeout=WAIT_S
    )
    found: dict[str, Any] = answer.json()
    return sum(each["capacity"] for each in found["days"])


def test_one_process_folds_for_all_workers_and_a_worker_reads_its_own_writes(serve):
    served = serve(MAWID_WORKERS="2")

    places = [capacity(served, day, publish(served, day)) for day in ("2011-02-05", "2011-02-06")]

    assert all(places)
    [process] = served.following()
    assert served.stop() == 0
    assert not psutil.pid_exists(process.pid)


@pytest.mark.faults
def test_a_killed_views_process_is_told_by_readiness_and_is_back_where_it_was(serve):
    served = serve()
    [first] = served.following()

    first.kill()
    until = time.monotonic() + WAIT_S
    while (unready := served.readiness()).status_code == 200:
        assert time.monotonic() < until
    position = publish(served, "2011-02-05")
    while not served.is_ready():
        assert time.monotonic() < until

    assert unready.json()["status"] == "stopped"
    assert "bookings" in unready.json()["stopped"]
    assert capacity(served, "2011-02-05", position) > 0
    [second] = served.following()
    assert second.pid != first.pid
    assert "exit code -9" in served.output()


@pytest.mark.faults
def test_a_killed_parent_takes_the_views_process_along(serve):
    served = serve()
    [process] = served.following()
    workers = psutil.Process(served.process.pid).children()

    served.process.kill()

    process.wait(WAIT_S)
    for worker in workers:
        if worker.is_running():
            worker.terminate()
