import asyncio
import json
import tracemalloc

import pytest

from api.services import Limits
from domain.ports import OutcomeUnknown, Overloaded
from tests.api.client import ADVANCE, MONDAY, booking, ndjson, new_key, new_number, start_after
from tests.api.scripted import App, asked_raw

NDJSON = [(b"authorization", b"Bearer operator"), (b"content-type", b"application/x-ndjson")]


def book_line(office, **asked):
    key = asked.pop("key", None) or new_key()
    return {"command": "book", "key": key} | booking(office, **asked)


def test_each_line_is_answered_in_order_as_its_own_call_would_be(api):
    office, key = api.given_an_office(), new_key()
    lines = [
        book_line(office, key=key),
        book_line(office),
        {"command": "reschedule", "key": new_key(), "booking_key": key, "starts_at": "2011-01-03T09:00"},
        {"command": "cancel", "key": new_key(), "booking_key": key, "reason": "سفر"},
        {"command": "cancel", "key": new_key(), "booking_key": key},
    ]

    answers = api.lines(*lines)

    assert [answer["line"] for answer in answers] == [1, 2, 3, 4, 5]
    assert [answer["key"] for answer in answers] == [line["key"] for line in lines]
    assert [answer["status"] for answer in answers] == [201, 409, 200, 200, 409]
    assert answers[0]["body"]["reference"]
    assert answers[1]["body"]["type"] == "/problems/slot-full"
    assert answers[2]["body"]["starts_at"] == "2011-01-03T09:00:00+03:00"
    assert answers[3]["body"]["status"] == "cancelled"
    assert answers[4]["body"]["type"] == "/problems/already-cancelled"
    assert [answer["body"]["position"] for answer in answers] == sorted(
        answer["body"]["position"] for answer in answers
    )


def test_a_booking_is_named_by_its_reference_or_its_id_too(api):
    office = api.given_an_office(counters=2)
    first, second = api.given_a_booking(office), api.given_a_booking(office)

    answers = api.lines(
        {"command": "cancel", "key": new_key(), "reference": first["reference"].lower()},
        {"command": "cancel", "key": new_key(), "booking": second["booking"]},
    )

    assert [answer["body"]["booking"] for answer in answers] == [first["booking"], second["booking"]]


def test_the_same_lines_again_are_replays(api):
    office = api.given_an_office()
    lines = [book_line(office), book_line(office)]
    first = api.lines(*lines)
    head = api.head()

    again = api.lines(*lines)

    assert [answer.pop("replayed") for answer in again] == [True, True]
    assert again == first
    assert api.head() == head


def test_a_line_and_a_call_with_its_key_are_the_same_command(api):
    office = api.given_an_office()
    line = book_line(office)
    body = {name: value for name, value in line.items() if name not in ("command", "key")}
    by_line = api.line(line)

    by_call = api.post("/v1/bookings", body, key=line["key"])

    assert by_call.headers["idempotency-replayed"] == "true"
    assert by_call.json() == by_line["body"]


def test_a_key_within_the_bulk_is_a_command_once(api):
    line = book_line(api.given_an_office())

    answers = api.lines(line, line, line | {"starts_at": start_after(2).isoformat()})

    assert [answer["status"] for answer in answers] == [201, 201, 422]
    assert answers[0]["body"] == answers[1]["body"]
    assert answers[2]["body"]["type"] == "/problems/idempotency-key-reused"


BROKEN = {
    "cut off": (b'{"command": "book"', None, "body"),
    "not an object": (b"[]", None, "body"),
    "nothing": (b"null", None, "body"),
    "without a command": (b'{"key": "k"}', "k", "body"),
    "of another command": (b'{"key": "k", "command": "dance"}', "k", "body"),
    "without a key": (b'{"command": "cancel", "booking": "x"}', None, "key"),
    "an empty key": (b'{"command": "cancel", "booking": "x", "key": ""}', None, "key"),
    "a key of other letters": ('{"command": "cancel", "booking": "x", "key": "م"}'.encode(), None, "key"),
    "an unknown field": (b'{"command": "cancel", "booking": "x", "key": "k", "y": 1}', "k", "y"),
    "no booking": (b'{"command": "cancel", "key": "k"}', "k", "body"),
    "two bookings": (b'{"command": "cancel", "key": "k", "booking": "x", "reference": "y"}', "k", "body"),
    "a time without offset": (
        b'{"command": "cancel", "key": "k", "booking": "x", "at": "2011-01-01T09:00"}',
        "k",
        "at",
    ),
    "a time that is a number": (b'{"command": "cancel", "key": "k", "booking": "x", "at": 1}', "k", "at"),
    "a name twice": (b'{"command": "cancel", "key": "k", "booking": "x", "booking": "y"}', "k", "booking"),
    "deep": (b"[" * 60_000, None, "body"),
    "not UTF-8": (b'{"command": "\xff"}', None, "body"),
}


@pytest.mark.parametrize(("line", "key", "field"), BROKEN.values(), ids=BROKEN)
def test_a_broken_line_is_answered_in_its_place_and_the_rest_goes_on(api, line, key, field):
    office = api.given_an_office(counters=2)

    before, broken, after = api.lines(book_line(office), line, book_line(office))

    assert (before["status"], after["status"]) == (201, 201)
    assert (broken["line"], broken["key"], broken["status"]) == (2, key, 422)
    assert (broken["body"]["type"], broken["body"]["field"]) == ("/problems/invalid-request", field)


def test_a_wrong_number_in_a_line_has_its_own_problem(api):
    answer = api.line(book_line("CA-TB-01", number="1"))

    assert answer["status"] == 422
    assert (answer["body"]["type"], answer["body"]["field"]) == ("/problems/invalid-number", "beneficiary.number")


def test_blank_lines_are_no_commands(api):
    office = api.given_an_office(counters=2)

    answers = api.lines(b"", book_line(office), b"  ", book_line(office))

    assert [answer["line"] for answer in answers] == [2, 4]


def test_the_last_line_needs_no_end(api):
    content = ndjson(book_line(api.given_an_office()))[:-1]

    response = api.post("/v1/commands", content=content, headers={"Content-Type": "application/x-ndjson"})

    assert response.json()["status"] == 201
    assert response.headers["content-type"] == "application/x-ndjson"


def test_nothing_is_answered_with_nothing(api):
    assert api.lines() == []


# -- who and when -----------------------------------------------------------------------------------------------------


def test_each_line_is_judged_by_the_role_of_its_own_command(api):
    office, number = api.given_an_office(counters=2), new_number()
    booked = api.given_a_booking(office)
    outcome = {"command": "outcome", "key": new_key(), "booking": booked["booking"], "outcome": "served"}

    answers = api.lines(
        book_line(office, number=number),
        book_line(office, number=new_number()),
        book_line(office, number=number, channel="counter"),
        outcome,
        {"command": "cancel", "key": new_key(), "booking": booked["booking"]},
        by=api.citizen(number),
    )

    assert [answer["status"] for answer in answers] == [201, 403, 403, 403, 404]


def test_a_line_has_a_time_of_its_own_in_request_clock(api):
    office = api.given_an_office(counters=3)
    late = {"at": (MONDAY + (MONDAY - ADVANCE)).isoformat()}

    assert api.line(book_line(office) | {"at": ADVANCE.isoformat()}, at=None)["status"] == 201
    assert api.line(book_line(office) | late)["body"]["type"] == "/problems/slot-in-the-past"
    without = api.line(book_line(office), at=None)
    assert (without["status"], without["body"]["field"]) == (400, "at")


def test_by_the_systems_clock_a_lines_time_counts_for_an_operator_only(open_api):
    api = open_api(MAWID_CLOCK="request")
    office = api.given_an_office(counters=2)
    system = open_api(MAWID_CLOCK="system")
    line = book_line(office, channel="kiosk") | {"at": ADVANCE.isoformat()}

    by_kiosk = system.line(line | {"key": "a"}, at=None, by=system.token("kiosk", office=office))
    by_operator = system.line(line | {"key": "b"}, at=None)

    assert by_kiosk["body"]["type"] == "/problems/slot-in-the-past"
    assert by_operator["status"] == 201


# -- size -------------------------------------------------------------------------------------------------------------


def test_a_line_that_is_too_long_is_refused_alone(api):
    office = api.given_an_office()
    long = {"command": "cancel", "key": new_key(), "booking": "x", "reason": "x" * 70_000}

    refused, done = api.lines(long, book_line(office))

    assert (refused["status"], refused["body"]["type"]) == (413, "/problems/body-too-large")
    assert (refused["body"]["most"], refused["body"]["unit"]) == (65_536, "bytes")
    assert (done["line"], done["status"]) == (2, 201)


@pytest.mark.parametrize(
    ("count", "end", "is_taken"), [(3, b"\n", True), (3, b"", True), (4, b"\n", False), (4, b"", False)]
)
def test_more_lines_than_allowed_are_refused_before_the_first_is_done(count, end, is_taken):
    app = App(limits=Limits(bulk_lines_max=3))
    content = b"\n".join(ndjson(book_line("O"))[:-1] for _ in range(count)) + end

    raw = asyncio.run(asked_raw(app.asgi, "/v1/commands", [content], NDJSON))

    assert raw.status == (200 if is_taken else 413)
    assert len(app.desk.submitted) == (3 if is_taken else 0)
    if not is_taken:
        assert (json.loads(raw.body)["most"], json.loads(raw.body)["unit"]) == (3, "lines")


def test_a_body_cut_anywhere_is_the_same_body():
    content = ndjson(*(book_line("O") for _ in range(3)))
    pieces = [content[n : n + 7] for n in range(0, len(content), 7)]

    raw = asyncio.run(asked_raw(App().asgi, "/v1/commands", pieces, NDJSON))

    assert [json.loads(line)["status"] for line in raw.body.splitlines()] == [201] * 3


def test_a_client_that_leaves_in_the_middle_has_asked_for_nothing():
    app = App()

    raw = asyncio.run(asked_raw(app.asgi, "/v1/commands", [ndjson(book_line("O"))], NDJSON, ends=False))

    assert raw.status is None
    assert app.desk.submitted == []


class Sender:
    """Sends thousands of lines, each with a key of its own, and keeps nothing of the answers but their number."""

    def __init__(self, thousands):
        self.app = App()
        self.app.desk.submitted = self
        self.submitted = self.answered = self.waiting_max = 0
        self._thousands, self._chunks, self._booking = thousands, iter(range(thousands)), booking("O")

    def send_all(self):
        scope = {"type": "http", "method": "POST", "path": "/v1/commands", "query_string": b"", "headers": NDJSON}
        asyncio.run(self.app.asgi(scope, self._receive, self._send))

    def append(self, _command):
        self.submitted += 1
        self.waiting_max = max(self.waiting_max, self.submitted - self.answered)

    def __len__(self):
        return self.submitted

    async def _receive(self):
        n = next(self._chunks)
        lines = ndjson(*({"command": "book", "key": f"{n}-{k}"} | self._booking for k in range(1000)))
        return {"type": "http.request", "body": lines, "more_body": n + 1 < self._thousands}

    async def _send(self, message):
        self.answered += message.get("body", b"").count(b'"status":201,')


def test_no_more_lines_are_asked_for_than_are_being_answered():
    sender = Sender(thousands=5)

    sender.send_all()

    assert sender.answered == 5000
    assert sender.waiting_max <= 2 * 512


@pytest.mark.full
def test_memory_stays_flat_over_many_lines():
    """What remains is the memory of answered references, which has a bound of its own."""
    sender = Sender(thousands=20)
    tracemalloc.start()

    sender.send_all()

    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sender.answered == 20_000
    assert peak_bytes < 20_000_000


# -- faults -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "status", "name"),
    [
        (Overloaded(1.0), 503, "overloaded"),
        (OutcomeUnknown(), 503, "outcome-unknown"),
        (RuntimeError("secret words"), 500, "internal-error"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("when", ["raises", "fails"])
def test_a_fault_is_its_own_lines_and_keeps_its_words(error, status, name, when):
    app = App()
    setattr(app.desk, when, error)

    raw = asyncio.run(asked_raw(app.asgi, "/v1/commands", [ndjson(book_line("O", key="k-1"), b"{")], NDJSON))

    first, second = (json.loads(line) for line in raw.body.splitlines())
    assert (first["key"], first["status"], first["body"]["type"]) == ("k-1", status, f"/problems/{name}")
    assert second["status"] == 422
    assert b"secret" not in raw.body
