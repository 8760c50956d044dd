import re
import time

import psycopg
import pytest

from api.metrics import Metrics
from api.services import Signing
from infra.bootstrap import VIEWS


def unsigned():
    return Signing(0, is_refused=False)


def test_a_process_that_answers_is_live(api):
    response = api.get("/health/live")

    assert (response.status_code, response.json()) == (200, {"status": "live"})


def test_it_is_ready_when_the_views_have_reached_the_head_seen_at_start(open_api):
    api = open_api()
    api.get("/v1/services", headers={"Mawid-At-Least": str(api.head())})

    response = api.get("/health/ready")

    assert (response.status_code, response.json()) == (200, {"status": "ready"})


def test_it_is_not_ready_while_no_process_folds_the_views_however_far_they_are(open_api):
    api = open_api()
    api.get("/v1/services", headers={"Mawid-At-Least": str(api.head())})
    until = time.monotonic() + 20

    api.follower.close()
    while len((told := api.get("/health/ready")).json().get("stopped", ())) < len(VIEWS):
        assert time.monotonic() < until  # a session ends a moment after it is left

    assert (told.status_code, told.json()["lagging"]) == (503, {})
    assert told.json()["stopped"].keys() == set(VIEWS)
    assert str(api.head()) in told.json()["stopped"]["totals"]


@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/metrics", "/openapi.json", "/docs"])
def test_the_instances_own_pages_need_no_token(api, path):
    assert api.get(path).status_code == 200


def test_figures_tell_the_events_of_the_log_and_how_far_each_view_is(open_api):
    api = open_api()
    api.given_an_office()
    api.get("/v1/services", headers={"Mawid-At-Least": str(api.head())})

    figures = api.get("/metrics").text

    assert f"mawid_events_total {float(api.head())}" in figures
    assert "mawid_database_up 1.0" in figures
    assert 'mawid_view_lag_events{view="catalogue"} 0.0' in figures
    assert set(re.findall(r'mawid_view_lag_events{view="(\w+)"}', figures)) >= {"availability", "bookings", "totals"}


def test_confirmations_within_two_seconds_are_prompt():
    metrics = Metrics(int, lambda: (0, {}), dict, unsigned)
    for status, seconds in ((201, 0.1), (201, 2.0), (201, 2.001), (409, 9.0)):
        metrics.observe("POST", "/v1/bookings", status, "", seconds)
    metrics.observe("POST", "/v1/bookings/group", 201, "", 3.0)
    metrics.observe("POST", "/v1/commands", 200, "", 9.0)

    assert metrics.confirmations() == (4, 2)


def test_figures_are_told_while_the_database_is_away():
    def away():
        raise psycopg.OperationalError

    told = {family.name: family for family in Metrics(lambda: 3, away, dict, unsigned).collect()}

    assert told["mawid_database_up"].samples[0].value == 0
    assert told["mawid_desk_queue_commands"].samples[0].value == 3
