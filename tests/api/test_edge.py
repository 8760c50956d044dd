import asyncio
import json
import logging

import psycopg
import pytest
from psycopg_pool import PoolTimeout
from structlog.testing import capture_logs

from api.services import Limits
from domain.ports import OutcomeUnknown, Overloaded
from tests.api.client import booking
from tests.api.scripted import App, asked_raw

BOOKING = booking("O", channel="kiosk")
AS_JSON = [(b"authorization", b"Bearer operator"), (b"idempotency-key", b"k"), (b"content-type", b"application/json")]


@pytest.fixture(autouse=True)
def log_lines():
    logging.getLogger("access").setLevel(logging.INFO)
    with capture_logs() as lines:
        yield lines
    logging.getLogger("access").setLevel(logging.NOTSET)


def problem_of(response):
    assert response.headers["content-type"] == "application/problem+json"
    return response.status_code, response.json()["type"].removeprefix("/problems/")


# -- what every answer has --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/v1/bookings"), ("GET", "/health/live"), ("GET", "/nowhere"), ("PUT", "/v1/bookings"), ("GET", "/docs")],
)
def test_every_answer_has_the_headers_of_the_edge(method, path):
    response = App().call(method, path, json=BOOKING)

    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["referrer-policy"] == "no-referrer"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-request-id"]


def test_only_pages_carry_a_content_policy():
    app = App()

    page, answer = app.call("GET", "/problems/slot-full"), app.call("GET", "/health/live")

    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "content-security-policy" not in answer.headers


def test_every_request_has_an_id_of_its_own():
    app = App()

    ids = {app.call("GET", "/health/live").headers["x-request-id"] for _ in range(3)}

    assert len(ids) == 3


# -- faults -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (Overloaded(2.0), (503, "overloaded")),
        (OutcomeUnknown(), (503, "outcome-unknown")),
        (psycopg.OperationalError("away"), (503, "overloaded")),
        (PoolTimeout("none is free"), (503, "overloaded")),
        (RuntimeError("secret words"), (500, "internal-error")),
    ],
    ids=repr,
)
@pytest.mark.parametrize("when", ["raises", "fails"])
@pytest.mark.parametrize("door", ["door", "fastapi"])
def test_what_the_desk_meets_is_told_without_its_words(error, problem, when, door):
    app = App()
    setattr(app.desk, when, error)
    path, body = ("/v1/bookings", BOOKING) if door == "door" else ("/v1/offices/O/live", {"from": "2011-01-01"})

    response = app.call("POST", path, json=body)

    assert problem_of(response) == problem
    assert "secret" not in response.text
    assert ("retry-after" in response.headers) == (problem[0] == 503)


def test_an_overloaded_desk_says_when_to_come_back():
    app = App()
    app.desk.raises = Overloaded(5.0)

    waits = {int(app.call("POST", "/v1/bookings", json=BOOKING).headers["retry-after"]) for _ in range(20)}

    assert min(waits) >= 5
    assert max(waits) <= 9
    assert len(waits) > 1


def test_a_fault_is_logged_with_the_id_that_is_answered_and_without_the_body(log_lines):
    app = App()
    app.desk.fails = RuntimeError("broken")

    response = app.call("POST", "/v1/bookings", json=BOOKING)

    (fault,) = [line for line in log_lines if line["log_level"] == "error"]
    assert fault["request"] == response.headers["x-request-id"]
    assert isinstance(fault["exc_info"], RuntimeError)
    assert BOOKING["beneficiary"]["number"] not in str(log_lines)


def test_a_fault_while_reading_is_a_500_too():
    def lagging():
        raise RuntimeError("broken")

    assert problem_of(App(lagging=lagging).call("GET", "/health/ready")) == (500, "internal-error")


def test_a_database_that_is_away_is_a_503_for_readers():
    def lagging():
        raise PoolTimeout("none is free")

    assert problem_of(App(lagging=lagging).call("GET", "/health/ready")) == (503, "overloaded")


def test_a_command_that_cannot_be_read_back_is_of_unknown_outcome():
    class Away:
        def connection(self):
            raise PoolTimeout("none is free")

    app = App(pool=Away())

    response = app.call("POST", f"/v1/measurements/{'0' * 12}/correction", json={"overall_index": "0.5", "source": "s"})

    assert problem_of(response) == (503, "outcome-unknown")
    assert len(app.desk.submitted) == 1


def test_nobody_is_answered_when_the_client_has_gone():
    app = App()

    raw = asyncio.run(asked_raw(app.asgi, "/v1/bookings", [b'{"off'], AS_JSON, ends=False))

    assert (raw.status, raw.taken) == (None, 1)
    assert app.desk.submitted == []


# -- deadlines --------------------------------------------------------------------------------------------------------


def test_a_command_whose_answer_does_not_come_is_of_unknown_outcome():
    app = App(limits=Limits(request_s_max=0.05))
    app.desk.is_silent = True

    response = app.call("POST", "/v1/bookings", json=BOOKING)

    assert problem_of(response) == (503, "outcome-unknown")
    assert len(app.desk.submitted) == 1


def test_a_body_that_does_not_come_is_given_up_and_nothing_is_asked_for():
    app = App(limits=Limits(request_s_max=0.05))
    sent = []

    async def never():
        await asyncio.Event().wait()

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/v1/bookings", "query_string": b"", "headers": AS_JSON}
    asyncio.run(app.asgi(scope, never, send))

    assert sent[0]["status"] == 503
    assert json.loads(sent[1]["body"])["type"] == "/problems/overloaded"
    assert app.desk.submitted == []


# -- sizes ------------------------------------------------------------------------------------------------------------

LIMITS = Limits(body_bytes_max=1000, bulk_body_bytes_max=2000, bulk_lines_max=3)


@pytest.mark.parametrize("door", ["/v1/bookings", "/v1/offices", "/v1/commands"])
def test_a_body_said_to_be_too_large_is_refused_before_it_is_read(door):
    most = 2000 if door == "/v1/commands" else 1000

    for length in (b"%d" % (most + 1), b"9" * 400):
        headers = [*AS_JSON, (b"content-length", length)]
        raw = asyncio.run(asked_raw(App(limits=LIMITS).asgi, door, [b"x" * 100], headers))
        problem = json.loads(raw.body)
        assert (raw.status, raw.taken) == (413, 0)
        assert (problem["most"], problem["unit"]) == (most, "bytes")


def test_a_length_that_is_no_number_is_refused():
    headers = [*AS_JSON, (b"content-length", b"-1")]

    raw = asyncio.run(asked_raw(App().asgi, "/v1/bookings", [b"x"], headers))

    assert raw.status == 400


@pytest.mark.parametrize(
    ("door", "kind"), [("/v1/bookings", b"json"), ("/v1/offices", b"json"), ("/v1/commands", b"x-ndjson")]
)
def test_a_body_that_grows_too_large_is_refused_as_it_comes(door, kind):
    most = 2000 if door == "/v1/commands" else 1000
    headers = [*AS_JSON[:2], (b"content-type", b"application/" + kind)]

    raw = asyncio.run(asked_raw(App(limits=LIMITS).asgi, door, [b"x" * 100] * 1000, headers))

    assert (raw.status, json.loads(raw.body)["type"]) == (413, "/problems/body-too-large")
    assert raw.taken == most // 100 + 1


def test_a_body_of_just_the_limit_is_read():
    content = json.dumps(BOOKING).encode()
    app = App(limits=Limits(body_bytes_max=len(content)))

    raw, larger = (asyncio.run(asked_raw(app.asgi, "/v1/bookings", [content, end], AS_JSON)) for end in (b"", b" "))

    assert (raw.status, larger.status) == (201, 413)


# -- rates ------------------------------------------------------------------------------------------------------------


def test_an_address_has_a_rate_of_its_own():
    app = App(limits=Limits(address_requests_per_s=3, bucket_depth_s=1))

    async def burst():
        return [
            (await app.calling("GET", "/health/live", client=client)).status_code
            for client in ["192.0.2.1"] * 4 + ["192.0.2.2"]
        ]

    assert asyncio.run(burst()) == [200, 200, 200, 429, 200]


@pytest.mark.parametrize(
    ("role", "limits"),
    [
        ("citizen", {"citizen_requests_per_s": 2, "bucket_depth_s": 1}),
        ("kiosk", {"staff_requests_per_s": 2, "bucket_depth_s": 1}),
    ],
)
def test_a_caller_has_a_rate_of_their_own_over_both_doors(role, limits):
    app = App(limits=Limits(**limits))

    async def burst():
        path = f"/v1/bookings/{'0' * 20}/cancel"
        asked = {"by": role, "headers": {"Content-Type": "text/plain"}, "content": b"x"}
        answers = [await app.calling("POST", path, **asked, key=str(n)) for n in range(3)]
        return [*answers, await app.calling("POST", "/v1/bookings/group", **asked)]

    answers = asyncio.run(burst())

    assert [answer.status_code for answer in answers] == [415, 415, 429, 429]
    assert problem_of(answers[-1]) == (429, "too-many-requests")
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert app.desk.submitted == []


# -- what is written down ---------------------------------------------------------------------------------------------


def test_a_log_line_names_the_route_and_not_the_path(log_lines):
    reference = "7M4K-92QX-R3TB-H"
    App().call("POST", f"/v1/bookings/{reference}/reschedule", by="kiosk", json={})
    App().call("GET", "/v1/bookings?number=1000000008", by="nobody")
    App().call("GET", f"/{reference}")

    requests = [line for line in log_lines if line["event"] == "request"]

    assert [(line["method"], line["route"], line["status"]) for line in requests] == [
        ("POST", "/v1/bookings/{reference}/reschedule", 422),
        ("GET", "/v1/bookings", 401),
        ("GET", "(none)", 404),
    ]
    assert (requests[0]["role"], requests[0]["problem"]) == ("kiosk", "invalid-request")
    assert reference not in str(log_lines)
    assert "1000000008" not in str(log_lines)


def test_beyond_a_rate_log_lines_are_counted_instead(log_lines):
    app = App(limits=Limits(access_log_lines_per_s=2))

    async def burst():
        for _ in range(5):
            await app.calling("GET", "/health/live")
        app.asgi._log_lines._full_at.clear()  # a second later
        await app.calling("GET", "/health/live")

    asyncio.run(burst())

    assert [line.get("unlogged", 0) for line in log_lines if line["event"] == "request"] == [0, 0, 3]


def test_figures_count_requests_by_route_and_problems_by_name():
    app = App()
    app.call("POST", "/v1/bookings", json=BOOKING)
    app.call("POST", "/v1/bookings", json={})
    app.call("GET", "/nowhere")

    figures = app.call("GET", "/metrics").text

    assert 'mawid_http_requests_total{method="POST",route="/v1/bookings",status="201"} 1.0' in figures
    assert 'mawid_http_requests_total{method="POST",route="/v1/bookings",status="422"} 1.0' in figures
    assert 'mawid_http_problems_total{name="invalid-request"} 1.0' in figures
    assert 'mawid_http_problems_total{name="not-found"} 1.0' in figures
    assert 'mawid_http_request_seconds_bucket{le="+Inf",route="/v1/bookings"} 2.0' in figures
    assert 'mawid_http_request_seconds_count{route="/v1/bookings"} 2.0' in figures
    assert "mawid_desk_queue_commands 0.0" in figures


def test_ready_says_which_views_are_stopped_however_far_they_are():
    stopped = App(stopped=lambda: {"bookings": "no process folds it"}).call("GET", "/health/ready")

    assert stopped.status_code == 503
    assert stopped.json() == {"status": "stopped", "lagging": {}, "stopped": {"bookings": "no process folds it"}}


def test_ready_says_which_views_are_behind():
    behind = App(lagging=lambda: {"bookings": 12}).call("GET", "/health/ready")

    assert (behind.status_code, behind.json()["lagging"]) == (503, {"bookings": 12})
    assert "retry-after" in behind.headers
    assert App().call("GET", "/health/ready").status_code == 200
    assert App().call("GET", "/health/live").json() == {"status": "live"}
