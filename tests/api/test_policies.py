"""The policy over HTTP: which versions there are, which holds, and what a channel may book."""

from datetime import date, datetime, timedelta

import pytest

from domain import commands
from domain.calendar import RIYADH
from infra.bootstrap import OPERATOR
from tests.api.client import ADVANCE, MONDAY, new_key, new_number, start_after

SECOND = timedelta(seconds=1)
MIDNIGHT = datetime(2011, 1, 2, tzinfo=RIYADH)


@pytest.fixture
def adopting(open_api):
    """An instance of its own whose operator adopts policies."""
    api = open_api()

    def adopt(since, **rules):
        stamp = api.instance.stamp(OPERATOR, new_key(), ADVANCE)
        receipt = api.instance.desk.submit(commands.AdoptPolicy(**stamp, since=since, rules=rules)).result(20)
        assert receipt.refusal is None
        return receipt

    api.adopt = adopt
    return api


def refusal(response):
    body = response.json()
    assert response.status_code == 409, body
    return body["type"].removeprefix("/problems/"), body


def test_the_first_version_is_built_in(api):
    body = api.get("/v1/policies", by=api.operator).json()

    (first,) = body["policies"]
    assert (first["version"], first["from"], first["hijri"], first["adopted"]) == (1, None, None, None)
    assert (first["rules"]["horizon_days"], first["rules"]["hold_min"]) == (30, 10)
    assert body["in_force"] == 1
    assert body["as_of"]["position"] == api.head()


def test_each_version_says_from_when_and_where_it_was_adopted(adopting):
    receipt = adopting.adopt(date(2011, 3, 1), horizon_days=45, channels={"sms": {"share_percent": 25}})

    def read(now):
        return adopting.get("/v1/policies", by=adopting.operator, headers={"Mawid-Now": now}).json()

    before, after = read("2011-02-28T23:59:59+03:00"), read("2011-03-01T00:00:00+03:00")
    assert [before["in_force"], after["in_force"]] == [1, 2]
    second = after["policies"][1]
    assert (second["version"], second["from"], second["hijri"]) == (2, "2011-03-01", "1432-03-26")
    assert second["adopted"] == {"position": receipt.position, "at": ADVANCE.isoformat()}
    assert second["rules"]["horizon_days"] == 45
    assert second["rules"]["channels"] == {"sms": {"services": "all", "share_percent": 25}}


def test_what_has_not_changed_is_not_sent_again(api):
    first = api.get("/v1/policies", by=api.operator)

    again = api.get("/v1/policies", by=api.operator, headers={"If-None-Match": first.headers["etag"]})

    assert again.status_code == 304


def test_a_booking_is_decided_under_the_policy_of_its_date_and_says_which(adopting):
    office = adopting.given_an_office(counters=3)
    adopting.adopt(MIDNIGHT.date(), horizon_days=0)

    before = adopting.book(office, at=MIDNIGHT - SECOND)
    name, body = refusal(adopting.book(office, at=MIDNIGHT))

    assert (name, body["last_day"]) == ("beyond-horizon", "2011-01-02")
    history = adopting.get(
        f"/v1/bookings/{before.json()['booking']}/history",
        by=adopting.operator,
        headers={"Mawid-At-Least": str(adopting.head())},
    ).json()
    assert [fact["policy"] for fact in history["facts"]] == [1]


def test_a_booking_keeps_the_terms_it_was_made_under(adopting):
    office = adopting.given_an_office(counters=3)
    old = adopting.given_a_booking(office)
    adopting.adopt(date(2011, 1, 1), reschedules_max=0)
    new = adopting.given_a_booking(office)

    moved = adopting.post(f"/v1/bookings/{old['booking']}/reschedule", {"starts_at": start_after(1).isoformat()})
    name, _ = refusal(
        adopting.post(f"/v1/bookings/{new['booking']}/reschedule", {"starts_at": start_after(1).isoformat()})
    )

    assert moved.status_code == 200
    assert name == "reschedule-limit"


def test_a_channel_books_its_services_from_its_instant_on(adopting):
    office = adopting.given_an_office(counters=3)
    adopting.adopt(date(2011, 1, 1), channels={"sms": {"services": ["SV-CA-02"], "opens_at": MIDNIGHT.isoformat()}})

    name, body = refusal(adopting.book(office, channel="sms", service="SV-CA-03", at=MIDNIGHT))
    assert (name, body["channel"], body.get("opens_at")) == ("service-not-offered", "sms", None)
    name, body = refusal(adopting.book(office, channel="sms", at=MIDNIGHT - SECOND))
    assert (name, body["channel"], body["opens_at"]) == ("service-not-offered", "sms", MIDNIGHT.isoformat())
    assert adopting.book(office, channel="sms", at=MIDNIGHT).status_code == 201
    assert adopting.book(office, channel="portal", service="SV-CA-03", at=MIDNIGHT - SECOND).status_code == 201


def test_a_channel_takes_its_share_of_a_start(adopting):
    office = adopting.given_an_office(counters=4)
    adopting.adopt(date(2011, 1, 1), channels={"sms": {"share_percent": 50}})

    lines = adopting.lines(*[sms_line(office) for _ in range(3)])

    assert [line["status"] for line in lines] == [201, 201, 409]
    refused = lines[2]["body"]
    assert (refused["type"], refused["capacity"], refused["channel"], refused["share"]) == (
        "/problems/slot-full",
        4,
        "sms",
        2,
    )
    for _ in range(2):
        assert adopting.book(office).status_code == 201


def test_a_share_is_kept_also_by_an_instance_that_has_seen_none_of_the_bookings(adopting, open_api):
    office = adopting.given_an_office(counters=4)
    adopting.adopt(date(2011, 1, 1), channels={"sms": {"share_percent": 25}})
    adopting.given_a_booking(office, channel="sms")
    adopting.given_a_booking(office, channel="portal")

    name, body = refusal(open_api().book(office, channel="sms"))

    assert (name, body["share"]) == ("slot-full", 1)


def sms_line(office):
    return {
        "command": "book",
        "key": new_key(),
        "at": ADVANCE.isoformat(),
        "office": office,
        "service": "SV-CA-02",
        "starts_at": MONDAY.isoformat(),
        "beneficiary": {"number": new_number()},
        "channel": "sms",
    }
