"""The door in front of FastAPI and FastAPI itself answer alike: status, body, and every header that says something."""

import json
import re
from typing import Any

import pytest

from api.policy_table import TABLE
from tests.api.client import ADVANCE, NAMED, POSTED, booking, ndjson, new_key, start_after

PROBLEMS_OF_FORM: dict[str, dict[str, Any]] = {
    "no token": {"by": ""},
    "a token of nobody": {"by": "nonsense"},
    "no key": {"key": ""},
    "no time": {"at": ""},
    "a time without offset": {"at": "2011-01-01T09:00:00"},
    "a parameter": {"query": "?x=1"},
    "another type": {"kind": "text/plain"},
    "no type": {"kind": ""},
    "no JSON": {"body": b"{"},
    "a list": {"body": b"[]"},
    "an unknown field": {"body": b'{"x": 1}'},
    "a name twice": {"body": b'{"starts_at": "2011-01-03T08:00", "starts_at": "2011-01-03T08:15"}'},
    "nothing": {"body": b""},
}
SAYS_NOTHING = {"x-request-id", "retry-after"}


@pytest.fixture
def inner(api):
    """FastAPI alone."""
    return api.app._inner._inner


def ask(api, app, path, *, by=None, key=None, at=None, query="", kind="application/json", body=b"{}"):
    told = {
        "Authorization": f"Bearer {api.operator if by is None else by}" if by != "" else "",
        "Idempotency-Key": new_key() if key is None else key,
        "Mawid-Now": ADVANCE.isoformat() if at is None else at,
        "Content-Type": kind,
    }
    headers = {name: value for name, value in told.items() if value}
    return api.call("POST", path + query, app=app, headers=headers, content=body)


def alike(one, other):
    assert (one.status_code, one.content) == (other.status_code, other.content)
    names = (set(one.headers) & set(other.headers)) - SAYS_NOTHING
    assert {name: one.headers[name] for name in names} == {name: other.headers[name] for name in names}
    added_by_the_edge = set(one.headers) - set(other.headers)
    assert added_by_the_edge == {"x-content-type-options", "referrer-policy", "x-request-id", "cache-control"}


def path_of(spec, reference="7M4K-92QX-R3TB-H"):
    return spec.path.format_map(NAMED | {"reference": reference})


@pytest.mark.parametrize("fault", PROBLEMS_OF_FORM.values(), ids=PROBLEMS_OF_FORM)
@pytest.mark.parametrize("spec", POSTED, ids=lambda spec: spec.name)
def test_both_doors_refuse_alike(api, inner, spec, fault):
    key = fault.get("key", new_key())  # a body that may be empty is carried out: the second time as a replay

    through_the_door = ask(api, None, path_of(spec), **fault | {"key": key})
    through_fastapi = ask(api, inner, path_of(spec), **fault | {"key": key})

    if "idempotency-replayed" in through_fastapi.headers:
        assert (through_fastapi.status_code, through_fastapi.content) == (
            through_the_door.status_code,
            through_the_door.content,
        )
    else:
        assert through_the_door.status_code >= 400
        alike(through_the_door, through_fastapi)


@pytest.mark.parametrize(
    ("spec", "role"),
    [(spec, role) for spec in POSTED for role in ("auditor", "dashboard") if role not in (spec.row.roles or ())],
    ids=lambda each: each if isinstance(each, str) else each.name,
)
def test_both_doors_know_the_same_roles(api, inner, spec, role):
    by = api.token(role)

    through_the_door, through_fastapi = (ask(api, app, path_of(spec), by=by) for app in (None, inner))

    assert through_the_door.status_code == 403
    alike(through_the_door, through_fastapi)


@pytest.mark.parametrize("first", ["door", "fastapi"])
def test_what_one_door_did_the_other_replays(api, inner, first):
    office = api.given_an_office()
    doors = [None, inner] if first == "door" else [inner, None]
    bodies: dict[str, Any] = {
        "/v1/bookings": booking(office),
        f"/v1/bookings/{api.given_a_booking(office, start=start_after(3))['reference']}/reschedule": {
            "starts_at": start_after(4).isoformat()
        },
        f"/v1/bookings/{api.given_a_booking(office, start=start_after(5))['reference']}/cancel": {},
    }

    for path, body in bodies.items():
        key = new_key()
        answers = [api.post(path, body, key=key, app=app) for app in doors]
        assert (answers[0].status_code, answers[0].content) == (answers[1].status_code, answers[1].content)
        assert "idempotency-replayed" not in answers[0].headers
        assert answers[1].headers["idempotency-replayed"] == "true"


def test_both_doors_carry_out_a_bulk_alike(api, inner):
    office = api.given_an_office(counters=4)
    line = {"command": "book", "key": new_key()} | booking(office)
    headers = {"Content-Type": "application/x-ndjson"}

    answers = [api.post("/v1/commands", content=ndjson(line, b"{"), headers=headers, app=app) for app in (None, inner)]

    first, again = ([json.loads(each) for each in answer.content.splitlines()] for answer in answers)
    assert first[0]["status"] == 201
    assert again[0].pop("replayed") is True
    assert first == again


@pytest.mark.parametrize("fault", ["another type", "a parameter", "no token", "a token of nobody"])
def test_both_doors_refuse_a_bulk_alike(api, inner, fault):
    told = {"kind": "application/x-ndjson", "body": b""} | PROBLEMS_OF_FORM[fault]

    through_the_door, through_fastapi = (ask(api, app, "/v1/commands", **told) for app in (None, inner))

    assert through_the_door.status_code >= 400
    alike(through_the_door, through_fastapi)


@pytest.mark.parametrize("path", ["/v1/bookings", "/v1/commands", "/v1/bookings/0/cancel"])
def test_the_door_leaves_other_methods_to_fastapi(api, path):
    response = api.call("PATCH", path)

    assert (response.status_code, response.json()["type"]) == (405, "/problems/method-not-allowed")
    served = {method for method, template in TABLE if re.fullmatch(template.replace("{reference}", "[^/]+"), path)}
    assert response.headers["allow"] == ", ".join(sorted(served))


@pytest.mark.parametrize(
    "path", ["/v1/bookings/", "/v1/bookings//cancel", "/v1/Bookings", "/v1/bookings/a/b/cancel", "/v2"]
)
def test_an_address_that_is_none_is_not_found(api, path):
    response = api.post(path, {})

    assert (response.status_code, response.json()["type"]) == (404, "/problems/not-found")
    assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("path", ["/v1/availability", "/v1/availability/slots"])
def test_what_others_were_told_is_told_as_fastapi_tells_it(api, path):
    office = api.given_an_office()
    day = "date" if path.endswith("slots") else "from"
    asked = f"{path}?office={office}&service=SV-CA-02&{day}=2011-01-03"
    api.get(asked, headers={"Mawid-At-Least": str(api.head())})

    first, at_the_door = api.get(asked), api.get(asked)
    known = api.get(asked, headers={"If-None-Match": first.headers["etag"]})

    says = {name: value for name, value in first.headers.items() if name not in SAYS_NOTHING}
    assert (at_the_door.status_code, at_the_door.content) == (first.status_code, first.content)
    assert {name: value for name, value in at_the_door.headers.items() if name not in SAYS_NOTHING} == says
    assert known.status_code == 304
