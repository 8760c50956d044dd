"""The day of a visit over HTTP, in request clock, each boundary on both sides."""

import asyncio
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from tests.api.client import ADVANCE, MONDAY, new_key, new_number, start_after

SECOND, MINUTE, QUARTER = timedelta(seconds=1), timedelta(minutes=1), timedelta(minutes=15)
CLOSE = start_after(24)


@pytest.fixture
def office(api):
    return api.given_an_office(counters=2)


@pytest.fixture
def clerk(api, office):
    return api.token("staff", office=office)


@pytest.fixture
def kiosk(api, office):
    return api.token("kiosk", office=office)


def check_in(api, booked, **asked):
    return api.post(f"/v1/bookings/{booked['reference']}/check-in", **asked)


def outcome(api, booked, outcome, **asked):
    return api.post(f"/v1/bookings/{booked['reference']}/outcome", {"outcome": outcome}, **asked)


def correct(api, booked, outcome, reason="wrong line", **asked):
    body = {"outcome": outcome, "reason": reason}
    return api.post(f"/v1/bookings/{booked['reference']}/outcome/correction", body, **asked)


def walk_in(api, office, *, service="SV-CA-02", number=None, told=None, **asked):
    beneficiary = {"number": number or new_number()} | (told or {})
    return api.post("/v1/walk-ins", {"office": office, "service": service, "beneficiary": beneficiary}, **asked)


def call_next(api, office, **asked):
    return api.post(f"/v1/offices/{office}/queue/next", **asked)


def problem(response):
    return response.status_code, response.json()["type"].removeprefix("/problems/")


# -- check-in ---------------------------------------------------------------------------------------------------------


def test_a_kiosk_checks_in_and_answers_with_the_booking(api, office, kiosk):
    booked = api.given_a_booking(office)

    response = check_in(api, booked, by=kiosk, at=MONDAY - 10 * MINUTE)

    assert response.status_code == 200
    same = ("booking", "reference", "office", "service", "starts_at", "ends_at", "hijri", "channel", "reschedules")
    assert response.json() == {name: booked[name] for name in same} | {
        "status": "checked_in",
        "position": booked["position"] + 1,
    }


def test_a_check_in_replays(api, office, kiosk):
    booked, key = api.given_a_booking(office), new_key()

    first, again = (check_in(api, booked, by=kiosk, at=MONDAY, key=key) for _ in range(2))

    assert again.headers["idempotency-replayed"] == "true"
    assert (again.status_code, again.content) == (first.status_code, first.content)


def test_check_in_is_for_the_day_of_the_visit(api, office, kiosk):
    booked, midnight = api.given_a_booking(office), MONDAY.replace(hour=0)

    early = check_in(api, booked, by=kiosk, at=midnight - SECOND)

    assert problem(early) == (422, "invalid-request")
    assert early.json()["field"] == "at"
    assert check_in(api, booked, by=kiosk, at=midnight).status_code == 200


def test_who_is_late_may_be_checked_in_until_the_no_show_is_recorded(api, office, clerk):
    late, missed = api.given_a_booking(office), api.given_a_booking(office)
    outcome(api, missed, "no_show", by=clerk, at=MONDAY + QUARTER)

    refused = check_in(api, missed, by=clerk, at=MONDAY + QUARTER + SECOND)

    assert problem(refused) == (409, "already-checked-in")
    assert refused.json()["booking_status"] == "no_show"
    assert check_in(api, late, by=clerk, at=MONDAY + QUARTER + SECOND).status_code == 200


def test_the_offices_close_makes_the_no_show_by_itself(api, office, clerk):
    in_time, missed = api.given_a_booking(office), api.given_a_booking(office)

    assert check_in(api, in_time, by=clerk, at=CLOSE - SECOND).status_code == 200
    assert check_in(api, missed, by=clerk, at=CLOSE).json()["booking_status"] == "no_show"


def test_what_is_done_is_not_checked_in(api, office, kiosk):
    cancelled, twice = api.given_a_booking(office), api.given_a_booking(office)
    api.post(f"/v1/bookings/{cancelled['reference']}/cancel", {})
    check_in(api, twice, by=kiosk, at=MONDAY)

    assert problem(check_in(api, cancelled, by=kiosk, at=MONDAY)) == (409, "already-cancelled")
    refused = check_in(api, twice, by=kiosk, at=MONDAY + SECOND)
    assert problem(refused) == (409, "already-checked-in")
    assert refused.json()["booking_status"] == "checked_in"


@pytest.mark.parametrize("role", ["kiosk", "staff", "manager"])
@pytest.mark.parametrize("named_by", ["booking", "reference"])
def test_another_offices_booking_is_answered_as_one_that_does_not_exist(api, office, role, named_by):
    booked = api.given_a_booking(office)
    stranger = api.token(role, office=api.given_an_office())
    nobody = "0" * 20 if named_by == "booking" else "0000-0000-0000-0"
    commands: list[tuple[str, Any]] = [("check-in", None)]
    if role != "kiosk":
        commands += [("outcome", {"outcome": "served"})]
        commands += [("outcome/correction", {"outcome": "served", "reason": "x"})]

    for command, body in commands:
        foreign, missing = (
            api.post(f"/v1/bookings/{name}/{command}", body, by=stranger, at=MONDAY)
            for name in (booked[named_by], nobody)
        )
        assert (foreign.status_code, foreign.content) == (404, missing.content)


# -- outcomes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("result", ["served", "not_completed"])
@pytest.mark.parametrize("is_checked_in", [True, False])
def test_a_clerk_records_what_came_of_a_visit(api, office, clerk, result, is_checked_in):
    booked = api.given_a_booking(office)
    if is_checked_in:
        check_in(api, booked, by=clerk, at=MONDAY)

    response = outcome(api, booked, result, by=clerk, at=MONDAY)

    assert (response.status_code, response.json()["status"]) == (200, result)


def test_pol_08_a_no_show_from_exactly_a_quarter_past_on(api, office, clerk):
    booked = api.given_a_booking(office)

    early = outcome(api, booked, "no_show", by=clerk, at=MONDAY + QUARTER - SECOND)

    assert problem(early) == (409, "no-show-too-early")
    assert early.json()["earliest"] == (MONDAY + QUARTER).isoformat()
    assert outcome(api, booked, "no_show", by=clerk, at=MONDAY + QUARTER).json()["status"] == "no_show"


def test_pol_08_never_after_a_check_in(api, office, clerk):
    booked = api.given_a_booking(office)
    check_in(api, booked, by=clerk, at=MONDAY + QUARTER)

    refused = outcome(api, booked, "no_show", by=clerk, at=MONDAY + QUARTER)

    assert problem(refused) == (409, "already-checked-in")
    assert refused.json()["booking_status"] == "checked_in"


def test_a_second_outcome_is_refused_and_a_correction_is_not(api, office, clerk):
    booked = api.given_a_booking(office)
    outcome(api, booked, "served", by=clerk, at=MONDAY)

    second = outcome(api, booked, "not_completed", by=clerk, at=MONDAY)
    corrected = correct(api, booked, "not_completed", by=clerk, at=MONDAY)

    assert problem(second) == (409, "already-checked-in")
    assert second.json()["booking_status"] == "served"
    assert (corrected.status_code, corrected.json()["status"]) == (200, "not_completed")


def test_a_correction_leaves_both_facts_in_the_history_and_its_reason_in_the_vault(api, office, clerk):
    booked, reason = api.given_a_booking(office), "نُسي اسمه"
    outcome(api, booked, "no_show", by=clerk, at=MONDAY + QUARTER)

    corrected = correct(api, booked, "served", reason, by=clerk, at=MONDAY + QUARTER + SECOND)

    seen = {"Mawid-At-Least": str(corrected.json()["position"])}
    history = api.get(f"/v1/bookings/{booked['booking']}/history", clerk, headers=seen)
    told = [(fact["type"], fact.get("outcome"), fact["by"]) for fact in history.json()["facts"]]
    assert told[1:] == [
        ("OutcomeRecorded.v1", "no_show", f"staff@{office}"),
        ("OutcomeCorrected.v1", "served", f"staff@{office}"),
    ]
    assert reason not in history.text
    with psycopg.connect(api.instance.dsn) as connection:
        query = "SELECT count(*) FROM vault.note WHERE booking = %s"
        assert connection.execute(query, [booked["booking"]]).fetchone() == (1,)


def test_without_an_outcome_or_with_the_same_there_is_nothing_to_correct(api, office, clerk):
    booked = api.given_a_booking(office)

    without = correct(api, booked, "served", by=clerk, at=MONDAY)
    outcome(api, booked, "served", by=clerk, at=MONDAY)
    same = correct(api, booked, "served", by=clerk, at=MONDAY)

    for refused in (without, same):
        assert problem(refused) == (422, "invalid-request")
        assert refused.json()["field"] == "outcome"


def test_a_correction_needs_its_reason(api, office, clerk):
    booked = api.given_a_booking(office)
    path = f"/v1/bookings/{booked['reference']}/outcome/correction"

    response = api.post(path, {"outcome": "served"}, by=clerk, at=MONDAY)

    assert (response.status_code, response.json()["field"]) == (422, "reason")


def test_a_correction_lifts_the_ban_that_the_no_show_brought(api, office, clerk):
    number, tuesday = new_number(), MONDAY + timedelta(days=1)
    missed = api.given_a_booking(office, number=number)
    outcome(api, missed, "no_show", by=clerk, at=MONDAY + QUARTER)
    at = tuesday - timedelta(hours=2)

    banned = api.book(office, number=number, start=tuesday, at=at)
    correct(api, missed, "served", by=clerk, at=at)
    booked = api.book(office, number=number, start=tuesday, at=at)

    assert problem(banned) == (409, "banned")
    assert booked.status_code == 201


# -- walk-ins ---------------------------------------------------------------------------------------------------------


def test_a_walk_in_is_answered_like_a_booking_and_checked_in(api, office, clerk):
    response = walk_in(api, office, by=clerk, at=MONDAY + QUARTER - SECOND)

    made = response.json()
    assert response.status_code == 201
    assert (made["status"], made["starts_at"], made["channel"]) == ("checked_in", MONDAY.isoformat(), "counter")
    assert made["ends_at"] == (MONDAY + QUARTER).isoformat()
    seen = {"Mawid-At-Least": str(made["position"])}
    found = api.get(f"/v1/bookings/{made['reference']}", clerk, headers=seen).json()
    assert (found["booking"], found["status"], found["channel"]) == (made["booking"], "checked_in", "counter")


def test_a_kiosks_walk_in_comes_over_the_kiosk(api, office, kiosk):
    assert walk_in(api, office, by=kiosk, at=MONDAY).json()["channel"] == "kiosk"


def test_pol_12_a_walk_in_takes_a_free_place_of_the_current_start_only(api, clerk, office):
    api.given_a_booking(office)
    first = walk_in(api, office, by=clerk, at=MONDAY)
    full = walk_in(api, office, by=clerk, at=MONDAY + QUARTER - SECOND)
    following = walk_in(api, office, by=clerk, at=MONDAY + QUARTER)

    assert first.json()["starts_at"] == MONDAY.isoformat()
    assert problem(full) == (409, "slot-full")
    assert full.json()["slot"] == f"{office}@2011-01-03T08:00"
    assert following.json()["starts_at"] == (MONDAY + QUARTER).isoformat()


@pytest.mark.parametrize(
    ("at", "name"),
    [
        (MONDAY - SECOND, "slot-not-published"),
        (CLOSE, "slot-not-published"),
        (MONDAY + timedelta(days=3), "slot-not-published"),
    ],
)
def test_a_walk_in_outside_the_offices_hours_is_refused(api, office, clerk, at, name):
    assert problem(walk_in(api, office, by=clerk, at=at)) == (409, name)


def test_a_walk_in_on_a_published_closed_day_is_refused(api, clerk, office):
    thursday = MONDAY + timedelta(days=3)
    api.post(f"/v1/offices/{office}/publications", {"from": "2011-01-06", "to": "2011-01-06"})

    refused = walk_in(api, office, by=clerk, at=thursday)

    assert problem(refused) == (409, "slot-closed")
    assert refused.json()["reason"] == "weekend"


def test_a_walk_in_is_judged_like_a_booking(api, office, clerk):
    twice, missing = new_number(), new_number()
    api.given_a_booking(office, number=twice, start=start_after(5))
    missed = api.given_a_booking(office, number=missing)
    outcome(api, missed, "no_show", by=clerk, at=MONDAY + QUARTER)
    women = api.given_an_office(section="women")
    tuesday = MONDAY + timedelta(days=1)

    refused = [
        walk_in(api, api.given_an_office(live_from="2011-01-04"), at=MONDAY),
        walk_in(api, office, service="SV-CA-90", at=MONDAY),
        walk_in(api, office, service="SV-CA-20", at=MONDAY),
        walk_in(api, women, told={"sex": "male"}, at=MONDAY),
        walk_in(api, office, number=missing, at=tuesday),
        walk_in(api, office, number=twice, at=MONDAY),
        walk_in(api, office, number="1000000009", at=MONDAY),
    ]

    assert [problem(response)[1] for response in refused] == [
        "office-not-live",
        "service-not-offered",
        "audience",
        "section",
        "banned",
        "active-booking-exists",
        "invalid-number",
    ]


@pytest.mark.parametrize("role", ["kiosk", "staff", "manager"])
def test_a_desk_takes_in_walk_ins_at_its_own_office(api, office, role):
    by = api.token(role, office=office)

    assert walk_in(api, office, by=by, at=MONDAY).status_code == 201
    assert walk_in(api, api.given_an_office(), by=by, at=MONDAY).status_code == 403


def test_pol_12_walk_ins_are_made_and_are_not_in_the_running_count(api, kiosk, office):
    def counted(position):
        seen = {"Mawid-At-Least": str(position)}
        count = api.get("/v1/statistics/running-count", headers=seen).json()["count"]
        (row,) = api.get("/v1/statistics/totals", api.operator, params={"office": office}, headers=seen).json()["rows"]
        return count, row["made"], row["live"]

    booked = api.given_a_booking(office)
    before, made, _ = counted(booked["position"])

    walked_in = walk_in(api, office, by=kiosk, at=MONDAY)

    assert counted(walked_in.json()["position"])[:2] == (before, made + 1)


# -- the call ---------------------------------------------------------------------------------------------------------


def test_the_next_customer_is_called_in_their_turn(api, office, clerk, kiosk):
    first, later = api.given_a_booking(office), api.given_a_booking(office, start=start_after(1))
    check_in(api, later, by=kiosk, at=MONDAY - MINUTE)
    walked_in = walk_in(api, office, by=kiosk, at=MONDAY).json()
    check_in(api, first, by=kiosk, at=MONDAY + MINUTE)

    called = [call_next(api, office, by=clerk, at=MONDAY + 5 * MINUTE) for _ in range(4)]

    assert [response.status_code for response in called] == [200] * 4
    assert [(response.json()["booking"], response.json().get("waited_s")) for response in called] == [
        (first["booking"], 240),
        (walked_in["booking"], 300),
        (later["booking"], 0),
        (None, None),
    ]
    assert called[0].json()["reference"] == first["reference"]
    assert set(called[3].json()) == {"booking", "position"}


def test_a_call_replays_and_calls_nobody_else(api, office, clerk):
    for seed in range(2):
        check_in(api, api.given_a_booking(office), by=clerk, at=MONDAY + seed * SECOND)
    key = new_key()

    first, again = (call_next(api, office, by=clerk, at=MONDAY + MINUTE, key=key) for _ in range(2))
    another = call_next(api, office, by=clerk, at=MONDAY + MINUTE)

    assert again.content == first.content
    assert another.json()["booking"] not in (None, first.json()["booking"])


def test_an_empty_waiting_room_replays_as_empty(api, office, clerk):
    key = new_key()
    empty = call_next(api, office, by=clerk, at=MONDAY, key=key)
    check_in(api, api.given_a_booking(office), by=clerk, at=MONDAY)

    assert call_next(api, office, by=clerk, at=MONDAY, key=key).content == empty.content


def test_two_desks_that_call_at_once_get_two_customers(api, office, clerk):
    booked = [api.given_a_booking(office, start=start_after(n)) for n in range(3)]
    for each in booked:
        check_in(api, each, by=clerk, at=MONDAY)

    async def call_all():
        path = f"/v1/offices/{office}/queue/next"
        told = [{"Idempotency-Key": new_key(), "Mawid-Now": (MONDAY + MINUTE).isoformat()} for _ in range(6)]
        return await asyncio.gather(*[api.calling("POST", path, by=clerk, headers=each) for each in told])

    called = [response.json()["booking"] for response in api.run(call_all())]

    assert sorted(each for each in called if each) == sorted(each["booking"] for each in booked)
    assert called.count(None) == 3


def test_a_call_is_for_ones_own_office(api, office):
    elsewhere = api.token("staff", office=api.given_an_office())

    assert problem(call_next(api, office, by=elsewhere, at=MONDAY)) == (403, "forbidden")


def test_an_office_that_does_not_exist_has_no_queue(api):
    refused = call_next(api, "CA-XX-99", at=MONDAY)

    assert problem(refused) == (422, "invalid-request")
    assert refused.json()["field"] == "office"


# -- lines ------------------------------------------------------------------------------------------------------------


def test_a_day_is_entered_line_by_line(api, office):
    keys = {name: new_key() for name in ("booked", "walked in")}
    booked = api.post(
        "/v1/bookings",
        {
            "office": office,
            "service": "SV-CA-02",
            "starts_at": MONDAY.isoformat(),
            "beneficiary": {"number": new_number()},
            "channel": "portal",
        },
        key=keys["booked"],
    ).json()
    walk_in_line = {"office": office, "service": "SV-CA-03", "beneficiary": {"number": new_number()}}
    lines = [
        {"command": "check-in", "booking_key": keys["booked"], "at": MONDAY},
        {"command": "walk-in", "key": keys["walked in"], "at": MONDAY + MINUTE} | walk_in_line,
        {"command": "outcome", "booking_key": keys["booked"], "outcome": "served", "at": MONDAY + 9 * MINUTE},
        {"command": "outcome", "booking_key": keys["walked in"], "outcome": "served", "at": MONDAY + QUARTER},
        {"command": "correction", "booking": booked["booking"], "outcome": "not_completed", "reason": "form missing"}
        | {"at": MONDAY + QUARTER},
    ]

    answers = api.lines(*({"key": new_key()} | line | {"at": line["at"].isoformat()} for line in lines))

    assert [(answer["status"], answer["body"]["status"]) for answer in answers] == [
        (200, "checked_in"),
        (201, "checked_in"),
        (200, "served"),
        (200, "served"),
        (200, "not_completed"),
    ]


def test_a_clerk_records_outcomes_line_by_line_at_their_own_office(api, office, clerk):
    here, there = api.given_a_booking(office), api.given_a_booking(api.given_an_office())
    lines = [
        {"command": "outcome", "key": new_key(), "booking": each["booking"], "outcome": "served"}
        for each in (here, there)
    ]

    answers = api.lines(*lines, by=clerk, at=MONDAY)

    assert [answer["status"] for answer in answers] == [200, 404]


def test_what_is_earlier_than_the_bookings_last_fact_is_refused(api, office, clerk):
    booked = api.given_a_booking(office, at=ADVANCE)

    refused = outcome(api, booked, "served", by=clerk, at=ADVANCE - SECOND)

    assert problem(refused) == (422, "invalid-request")
    assert refused.json()["field"] == "at"
