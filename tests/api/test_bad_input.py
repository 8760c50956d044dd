"""Whatever comes in: a 4xx answer that names the field, nothing written, and nothing of the input repeated."""

import json
from typing import Any

import pytest

from tests.api.client import ADVANCE, NAMED, POSTED, booking, new_key, new_number

GOOD = booking("CA-TB-01", number="1000000008")
DEEP = b"[" * 100_000
SURROGATE = b'{"office": "\\ud800"}'

BODIES = {
    "empty": b"",
    "blank": b" \n",
    "null": b"null",
    "a number": b"1",
    "a string": b'"x"',
    "a list": b"[]",
    "cut off": json.dumps(GOOD).encode()[:-1],
    "two values": b"{}{}",
    "a comment": b"{/* */}",
    "a comma too many": b'{"office": "CA-TB-01",}',
    "single quotes": b"{'office': 'CA-TB-01'}",
    "not a number": b'{"office": NaN}',
    "infinity": b'{"counters": -Infinity}',
    "a huge exponent": b'{"counters": 1e999}',
    "a huge integer": b'{"counters": ' + b"9" * 10_000 + b"}",
    "deep": DEEP,
    "deep within": b'{"office": ' + DEEP + b"}",
    "a byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": json.dumps(GOOD).encode("utf-16"),
    "not UTF-8": b'{"office": "\xff"}',
    "an overlong NUL": b'{"office": "\xc0\x80"}',
    "a lone surrogate": SURROGATE,
    "a lone low surrogate": b'{"office": "\\udc00"}',
    "a raw NUL": b'{"office": "\x00"}',
}


def asked(api, path, content, content_type="application/json"):
    headers = {"Content-Type": content_type, "Idempotency-Key": new_key(), "Mawid-Now": ADVANCE.isoformat()}
    return api.call("POST", path, by=api.operator, content=content, headers=headers)


def refused_field(response):
    problem = response.json()
    assert (response.status_code, problem["type"]) == (422, "/problems/invalid-request"), response.text
    return problem["field"]


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("spec", POSTED, ids=lambda spec: spec.name)
def test_what_is_no_such_body_is_refused(api, spec, body):
    head = api.head()

    response = asked(api, spec.path.format_map(NAMED), body)

    is_carried_out = spec.body_is_optional and not body  # on a booking that does not exist; or at such an office
    assert response.status_code == (404 if is_carried_out and "{office}" not in spec.path else 422)
    assert len(response.content) < 4000
    assert api.head() == head


@pytest.mark.parametrize("end", range(0, len(json.dumps(GOOD)), 7))
def test_a_body_cut_anywhere_is_refused(api, end):
    assert refused_field(asked(api, "/v1/bookings", json.dumps(GOOD).encode()[:end])) == "body"


WRONG: list[Any] = [
    None,
    1,
    1.5,
    True,
    [],
    {},
    "",
    " ",
    "\x00",
    "a\x00b",
    "x" * 1000,
    "\ud7ff\u202e",
    "' OR 1=1 --",
    "{{7*7}}",
    "../..",
    "%s%n",
]


@pytest.mark.parametrize("value", WRONG, ids=lambda value: repr(value)[:12])
@pytest.mark.parametrize("field", ["office", "service", "starts_at", "beneficiary", "channel"])
def test_a_wrong_value_is_refused_by_the_name_of_its_field(api, field, value):
    response = api.post("/v1/bookings", GOOD | {field: value})

    assert refused_field(response).partition(".")[0] == field
    if isinstance(value, str) and len(value) > 4:
        assert value not in response.json()["detail"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("number", None),
        ("number", 1000000008),
        ("sex", "other"),
        ("sex", 1),
        ("name", ""),
        ("name", "  "),
        ("name", "a\nb"),
        ("name", "a\x00"),
        ("name", "a\u202eb"),
        ("name", "a\u2028b"),
        ("name", "x" * 201),
        ("mobile", 500000001),
        ("language", "fr"),
        ("person", "x"),
        ("pid", 1),
    ],
)
def test_a_wrong_detail_of_the_beneficiary_is_named(api, field, value):
    told = {"number": "1000000008"} | {field: value}

    response = api.post("/v1/bookings", GOOD | {"beneficiary": told})

    assert refused_field(response) == f"beneficiary.{field}"
    assert "1000000008" not in response.text


@pytest.mark.parametrize("field", ["role", "pid", "capacity", "position", "status", "hold", "by", "__proto__", "مجهول"])
def test_an_unknown_field_is_refused(api, field):
    assert refused_field(api.post("/v1/bookings", GOOD | {field: 1})) == field


def test_several_errors_are_listed(api):
    problem = api.post("/v1/bookings", {"office": 1, "x": 2}).json()

    fields = [error["field"] for error in problem["errors"]]
    assert problem["field"] == fields[0] == "office"
    assert {"office", "service", "starts_at", "beneficiary", "channel", "x"} == set(fields)


def test_a_name_that_comes_twice_is_refused_wherever_it_stands(api):
    text = json.dumps(GOOD)
    twice = [
        text.replace('"office":', '"office": "CA-TB-02", "office":'),
        text.replace('"number":', '"number": "1000000016", "number":'),
        text.replace('"channel":', '"chann\\u0065l": "sms", "channel":'),
    ]

    assert [refused_field(asked(api, "/v1/bookings", body.encode())) for body in twice] == [
        "office",
        "number",
        "channel",
    ]


def test_the_name_of_an_unknown_field_is_shown_shortened_and_printable(api):
    field = refused_field(api.post("/v1/bookings", GOOD | {"\x1b[31m" + "x" * 10_000: 1}))

    assert field.startswith("?[31mx")
    assert len(field) == 64


STARTS = [
    "0000-01-01T00:00",
    "9999-12-31T23:59",
    "10000-01-01T00:00",
    "1432-02-01T08:00",
    "2011-02-29T08:00",
    "2011-01-03T24:00",
    "2011-01-03T08:00:60",
    "2011-01-03T08:00:01",
    "2011-01-03",
    "2011-W01-1T08:00",
    "20110103T0800",
    "2011-01-03 08:00",
    "2011-01-03T08:00+24:00",
    "2011-01-03T08",
    "1294030800",
    "٢٠١١-٠١-٠٣T08:00",
    "tomorrow",
]


@pytest.mark.parametrize("start", STARTS)
def test_a_start_that_is_no_start_is_refused(api, start):
    assert refused_field(api.post("/v1/bookings", GOOD | {"starts_at": start})) == "starts_at"


@pytest.mark.parametrize("start", ["2011-01-03T08:07", "2011-01-03T07:45", "2011-01-03T08:00+14:00"])
def test_a_moment_at_which_no_slot_starts_is_not_published(api, start):
    body = booking(api.given_an_office()) | {"starts_at": start}

    response = api.post("/v1/bookings", body)

    assert response.json()["type"] in ("/problems/slot-not-published", "/problems/slot-closed")


@pytest.mark.parametrize(
    "day", ["2011-02-29", "0000-01-01", "1432-01-01", "2100-01-01", "2011-1-3", "", "x", None, 1, "2011-01-03T08:00"]
)
@pytest.mark.parametrize("command", ["live", "publications"])
def test_a_date_that_is_no_date_is_refused(api, command, day):
    response = api.post(
        f"/v1/offices/CA-TB-01/{command}", {"from": day, "to": "2011-01-05"} if command != "live" else {"from": day}
    )

    assert refused_field(response) == "from"


@pytest.mark.parametrize("counters", [-1, 1.0, 1.5, "1", None, True, 2**31, 2**53 + 1, 2**63, 2**64, 10**400, 1001])
def test_a_number_of_counters_that_is_none_is_refused(api, counters):
    body = {"from": "2011-01-03", "to": "2011-01-03", "counters": counters}

    content = json.dumps(body).encode()

    assert refused_field(asked(api, "/v1/offices/CA-TB-01/counters", content)) in ("counters", "body")


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "application/xml",
        "",
        "json",
        "application/json2",
    ],
)
def test_another_content_type_is_refused(api, content_type):
    response = asked(api, "/v1/bookings", json.dumps(GOOD).encode(), content_type)

    assert (response.status_code, response.json()["accepted"]) == (415, "application/json")


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "Application/JSON", "application/json ;x=y"]
)
def test_json_is_json_whatever_its_parameters(api, content_type):
    body = booking(api.given_an_office())

    assert asked(api, "/v1/bookings", json.dumps(body).encode(), content_type).status_code == 201


@pytest.mark.parametrize(
    "query", ["x=1", "x", "=", "a=1&b=2", "%00=1", "x=" + "1" * 5000, "&".join(f"p{n}" for n in range(500))]
)
@pytest.mark.parametrize("path", ["/v1/bookings", "/v1/bookings/group", "/v1/commands"])
def test_a_command_takes_no_query(api, path, query):
    content_type = "application/x-ndjson" if path == "/v1/commands" else "application/json"

    response = asked(api, f"{path}?{query}", json.dumps(GOOD).encode(), content_type)

    assert response.status_code == 422
    assert len(response.content) < 20_000


@pytest.mark.parametrize(
    "path",
    ["/v1/bookings/x", "/v1/bookings/x/history", "/health/live", "/docs", "/problems/slot-full", "/openapi.json"],
)
def test_a_read_refuses_a_parameter_it_does_not_know(api, path):
    assert refused_field(api.get(f"{path}?unknown=1", api.operator)) == "unknown"


def test_a_read_refuses_a_parameter_that_comes_twice(api):
    number = new_number()

    assert refused_field(api.get(f"/v1/bookings?number={number}&number={number}", api.operator)) == "number"


@pytest.mark.parametrize("number", ["", "1", "x" * 64, "x" * 65, "1000000009", "%00", "1000000008%0A1"])
def test_a_number_in_a_query_is_checked_and_not_repeated(api, number):
    response = api.get(f"/v1/bookings?number={number}", api.operator)

    assert (response.status_code, response.json()["field"]) == (422, "number")
    assert len(number) < 4 or number not in response.text


@pytest.mark.parametrize("office", ["ca-tb-01", "x" * 40, "CA TB 01", "%00", "CA-XX-99", "مكتب"])
@pytest.mark.parametrize(
    ("command", "body"),
    [("live", {"from": "2011-01-01"}), ("publications", {"from": "2011-01-03", "to": "2011-01-03"})],
)
def test_an_office_in_a_path_that_is_none_is_refused(api, office, command, body):
    head = api.head()

    assert refused_field(api.post(f"/v1/offices/{office}/{command}", body)) == "office"
    assert api.head() == head


def test_a_failed_command_of_each_kind_writes_no_personal_data(api):
    api.post("/v1/bookings", GOOD | {"beneficiary": {"number": "1000000008", "name": "Sara", "mobile": "1"}})

    response = api.post("/v1/bookings", GOOD | {"beneficiary": {"number": "1000000008", "name": "Sara\x00"}})

    assert "Sara" not in response.text
