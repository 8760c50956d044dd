"""From a command over HTTP to the topic, and back from a topic that is lost."""

import re
import subprocess
import time

import httpx
import psutil
import pytest

from tests.journeys.conftest import MAWID
from tests.journeys.test_views_process import OFFICE, publish
from tests.topic import deleted, received

pytestmark = pytest.mark.xdist_group("kafka")
WAIT_S = 60
NOBODY = "127.0.0.1:1"


def figure(served, name):
    told = httpx.get(f"{served.url}/metrics", headers={"Authorization": f"Bearer {served.token('operator')}"}).text
    found = re.search(rf"^{name} (\S+)$", told, re.MULTILINE)
    return float(found[1]) if found else None


def await_figure(served, name, wanted):
    until = time.monotonic() + WAIT_S
    while (found := figure(served, name)) != wanted:
        assert time.monotonic() < until, (name, found)
        time.sleep(0.1)


def test_what_is_done_over_http_is_on_the_topic_and_a_lost_topic_is_made_again_by_one_command(
    serve, kafka_without_facts
):
    bootstrap = kafka_without_facts.bootstrap
    served = serve(MAWID_KAFKA_BOOTSTRAP=bootstrap)
    position = publish(served, "2011-02-05")
    await_figure(served, "mawid_relay_lag_events", 0)
    assert (figure(served, "mawid_relay_position"), figure(served, "mawid_relay_stopped")) == (position, 0)
    before = received(bootstrap)

    deleted(bootstrap)
    again = served.run("relay", "--from", "1", "--exit")

    assert again.returncode == 0, again.stderr
    assert str(position) in again.stdout
    after = received(bootstrap)
    assert {each.position: each.value for each in after} == {each.position: each.value for each in before}
    assert {each.position for each in after} == set(range(1, position + 1))
    assert f"slot/{OFFICE}@2011-02-05T09:00" in {each.key for each in after}


@pytest.mark.faults
def test_a_killed_relay_is_started_again_and_ends_with_serve(serve, kafka_without_facts):
    served = serve(MAWID_KAFKA_BOOTSTRAP=kafka_without_facts.bootstrap)
    await_figure(served, "mawid_relay_lag_events", 0)

    for process in served.following():  # views and relay alike
        process.kill()
    position = publish(served, "2011-02-06")

    await_figure(served, "mawid_relay_position", position)
    now = served.following()
    assert served.stop() == 0
    assert not any(psutil.pid_exists(process.pid) for process in now)


def test_a_wrong_broker_is_one_sentence_and_nothing_else_is_the_worse_for_it(serve):
    served = serve(MAWID_KAFKA_BOOTSTRAP=NOBODY)

    assert publish(served, "2011-02-05") > 0
    await_figure(served, "mawid_relay_stopped", 1)
    relay = served.run("relay", "--exit")

    assert relay.returncode == 1
    assert relay.stderr.count("\n") == 1
    assert NOBODY in relay.stderr
    assert served.is_ready()
    assert served.output().count(NOBODY) == 1


@pytest.fixture
def relay(database_url, tmp_path):
    """`mawid relay` on a database of the test's own."""

    def run(*options, **environ):
        told = {"MAWID_DATABASE_URL": database_url, "MAWID_DATA_DIR": str(tmp_path)} | environ
        command = ["env", *(f"{name}={value}" for name, value in told.items()), MAWID, "relay", *options]
        return subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, check=False)

    return run


def test_a_relay_without_a_broker_to_go_to_says_so(relay):
    run = relay()

    assert (run.returncode, run.stderr.count("\n")) == (1, 1)
    assert "MAWID_KAFKA_BOOTSTRAP" in run.stderr


def test_a_relay_is_not_begun_past_the_logs_end(relay):
    run = relay("--from", "2", MAWID_KAFKA_BOOTSTRAP=NOBODY)

    assert (run.returncode, run.stderr.count("\n")) == (1, 1)
    assert "ends at position 0" in run.stderr
