"""Every refusal that this API can answer, with its evidence, on both sides of its boundary."""

from datetime import datetime, timedelta

import pytest

from domain.calendar import RIYADH
from tests.api.client import ADVANCE, MONDAY, booking, new_key, new_number, start_after

HOUR, DAY, MICROSECOND = timedelta(hours=1), timedelta(days=1), timedelta(microseconds=1)


def refused(response, name, status=409, **evidence):
    """The answer is this problem, and names this evidence."""
    problem = response.json()
    assert (response.status_code, problem["type"]) == (status, f"/problems/{name}"), response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"]
    assert {name: problem.get(name) for name in evidence} == evidence
    return problem


def slot(office, start=MONDAY):
    return f"{office}@{start:%Y-%m-%dT%H:%M}"


def outcome_of(booked, outcome, at):
    """The line that records it."""
    line = {"command": "outcome", "key": new_key(), "booking": booked["booking"], "outcome": outcome}
    return line | {"at": at.isoformat()}


# -- form and number --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        ("100000000", "length"),
        ("5000000000", "first-digit"),
        ("1000000009", "check-digit"),
        ("10000000o8", "not-a-digit"),
        ("10000\u200b00008", "not-a-digit"),
    ],
)
def test_a_number_that_is_none_is_refused_with_the_reason(api, number, reason):
    response = api.book("CA-TB-01", number=number)

    refused(response, "invalid-number", 422, field="beneficiary.number", reason=reason)
    assert number not in response.text


def test_a_number_in_other_digits_is_the_same_person(api):
    office = api.given_an_office()
    api.given_a_booking(office, number="1000000008")

    response = api.book(office, number=" \u200f١٠٠٠٠٠٠٠٠٨ ", start=start_after(1))

    refused(response, "active-booking-exists")


@pytest.mark.parametrize(
    ("mobile", "reason"), [("0112345678", "not-mobile"), ("+971501234567", "not-saudi"), ("05", "invalid")]
)
def test_a_mobile_that_is_none_is_refused_with_the_reason(api, mobile, reason):
    response = api.book("CA-TB-01", told={"mobile": mobile})

    refused(response, "invalid-mobile", 422, field="beneficiary.mobile", reason=reason)


def test_form_and_number_come_before_the_office(api):
    office = api.given_an_office(live_from=None)

    refused(api.book(office, number="1"), "invalid-number", 422)
    refused(api.book(office), "office-not-live")


# -- office and service -----------------------------------------------------------------------------------------------


def test_an_office_takes_bookings_from_midnight_of_its_live_date(api):
    office = api.given_an_office(live_from="2011-01-02")
    midnight = datetime(2011, 1, 2, tzinfo=RIYADH)

    refused(api.book(office, at=midnight - MICROSECOND), "office-not-live", office=office, live_from="2011-01-02")
    assert api.book(office, at=midnight).status_code == 201


def test_an_office_without_a_live_date_takes_none(api):
    office = api.given_an_office(live_from=None)

    problem = refused(api.book(office), "office-not-live", office=office)

    assert "live_from" not in problem


@pytest.mark.parametrize("service", ["SV-CA-90", "SV-TR-01"], ids=["needs no visit", "of another sector"])
def test_a_service_the_office_does_not_offer_is_refused(api, service):
    office = api.given_an_office()

    refused(api.book(office, service=service), "service-not-offered", office=office, service=service)


@pytest.mark.parametrize(("field", "value"), [("office", "CA-XX-99"), ("service", "SV-XX-99")])
def test_an_unknown_office_or_service_is_an_invalid_request(api, field, value):
    body = booking(api.given_an_office()) | {field: value}

    refused(api.post("/v1/bookings", body), "invalid-request", 422, field=field)


@pytest.mark.parametrize(
    ("service", "kind", "is_admitted"),
    [
        ("SV-CA-10", "citizen", True),
        ("SV-CA-10", "resident", False),
        ("SV-CA-20", "resident", True),
        ("SV-CA-20", "citizen", False),
        ("SV-CA-02", "resident", True),
        ("SV-CA-02", "border", False),
        ("SV-CA-40", "border", True),
    ],
)
def test_a_service_is_for_its_audience(api, service, kind, is_admitted):
    response = api.book(api.given_an_office(), service=service, number=new_number(kind))

    if is_admitted:
        assert response.status_code == 201
    else:
        refused(response, "audience", service=service)


def test_an_office_of_one_section_refuses_the_other(api):
    office = api.given_an_office(section="women", counters=2)

    refused(api.book(office, told={"sex": "male"}), "section", office=office, section="women")
    refused(api.book(office), "invalid-request", 422, field="beneficiary.sex")
    assert api.book(office, told={"sex": "female"}).status_code == 201


# -- time -------------------------------------------------------------------------------------------------------------


def test_a_kiosk_books_up_to_the_start_and_not_after(api):
    office = api.given_an_office(counters=2)

    assert api.book(office, channel="kiosk", at=MONDAY).status_code == 201
    refused(
        api.book(office, channel="kiosk", at=MONDAY + MICROSECOND), "slot-in-the-past", starts_at=MONDAY.isoformat()
    )


@pytest.mark.parametrize("channel", ["portal", "sms"])
def test_from_afar_one_books_until_an_hour_before(api, channel):
    office = api.given_an_office()
    last = MONDAY - HOUR

    refused(
        api.book(office, channel=channel, at=last + MICROSECOND),
        "too-late-to-book",
        starts_at=MONDAY.isoformat(),
        last_moment=last.isoformat(),
    )
    assert api.book(office, channel=channel, at=last).status_code == 201


def test_one_books_thirty_days_ahead_and_no_further(api):
    office = api.given_an_office()
    last = datetime(2010, 12, 4, 0, 0, tzinfo=RIYADH)

    refused(
        api.book(office, at=last - MICROSECOND),
        "beyond-horizon",
        starts_at=MONDAY.isoformat(),
        last_day="2011-01-02",
    )
    assert api.book(office, at=last).status_code == 201


# -- the person -------------------------------------------------------------------------------------------------------


def test_one_person_has_one_booking_of_a_service(api):
    office, number = api.given_an_office(), new_number()
    first = api.given_a_booking(office, number=number)

    response = api.book(office, number=number, start=start_after(1))

    refused(
        response,
        "active-booking-exists",
        booking=first["booking"],
        service="SV-CA-02",
        reference=first["reference"],
        position=api.head(),
    )


def test_a_booking_is_active_until_its_end(api):
    office, number = api.given_an_office(), new_number()
    api.given_a_booking(office, number=number, start=MONDAY)
    end = MONDAY + timedelta(minutes=15)

    refused(
        api.book(office, number=number, start=start_after(3), channel="kiosk", at=end - MICROSECOND),
        "active-booking-exists",
    )
    assert api.book(office, number=number, start=start_after(3), channel="kiosk", at=end).status_code == 201


def test_one_person_has_three_bookings_at_most(api):
    office, number = api.given_an_office(counters=4), new_number()
    for service in ("SV-CA-01", "SV-CA-02", "SV-CA-03"):
        api.given_a_booking(office, number=number, service=service)

    response = api.book(office, number=number, service="SV-CA-04")

    refused(response, "too-many-active-bookings", active=3, most=3)


# -- the place --------------------------------------------------------------------------------------------------------


def test_a_full_slot_refuses_and_another_does_not(api):
    office = api.given_an_office(counters=2)
    for _ in range(2):
        api.given_a_booking(office)
    head = api.head()

    refused(api.book(office), "slot-full", slot=slot(office), capacity=2, position=head)
    assert api.head() == head
    assert api.book(office, start=start_after(1)).status_code == 201


def test_a_longer_service_needs_all_its_slots(api):
    office = api.given_an_office()
    api.given_a_booking(office, start=start_after(1))

    refused(api.book(office, service="SV-CA-30"), "slot-full", slot=slot(office, start_after(1)))
    refused(
        api.book(office, service="SV-CA-30", start=start_after(23)),
        "slot-not-published",
        slot=slot(office, start_after(24)),
    )


def test_a_slot_that_is_not_published_refuses(api):
    office = api.given_an_office(days=None)

    refused(api.book(office), "slot-not-published", slot=slot(office))


def test_a_slot_of_a_closed_day_refuses(api):
    office = api.given_an_office(days=("2011-01-06", "2011-01-06"))
    thursday = MONDAY + 3 * DAY

    refused(api.book(office, start=thursday), "slot-closed", slot=slot(office, thursday), reason="weekend")


# -- moving and cancelling --------------------------------------------------------------------------------------------


def test_a_booking_moves_twice_and_not_again(api):
    office = api.given_an_office()
    booked = api.given_a_booking(office)
    path = f"/v1/bookings/{booked['reference']}/reschedule"
    for n in (1, 2):
        assert api.post(path, {"starts_at": start_after(n).isoformat()}).status_code == 200

    response = api.post(path, {"starts_at": start_after(3).isoformat()})

    refused(response, "reschedule-limit", booking=booked["booking"], reschedules=2)


def test_a_booking_moves_until_a_day_before_its_start(api):
    booked = api.given_a_booking(api.given_an_office())
    path, body = f"/v1/bookings/{booked['booking']}/reschedule", {"starts_at": start_after(96).isoformat()}
    last = MONDAY - DAY

    refused(
        api.post(path, body, at=last + MICROSECOND),
        "too-late-to-reschedule",
        booking=booked["booking"],
        last_moment=last.isoformat(),
    )
    assert api.post(path, body, at=last).status_code == 200


def test_a_booking_does_not_move_to_where_it_is(api):
    booked = api.given_a_booking(api.given_an_office())

    response = api.post(f"/v1/bookings/{booked['booking']}/reschedule", {"starts_at": MONDAY.isoformat()})

    refused(response, "invalid-request", 422, field="starts_at")


def test_a_move_into_a_full_slot_leaves_the_booking_where_it_was(api):
    office = api.given_an_office()
    booked = api.given_a_booking(office)
    api.given_a_booking(office, start=start_after(1))

    response = api.post(f"/v1/bookings/{booked['booking']}/reschedule", {"starts_at": start_after(1).isoformat()})

    refused(response, "slot-full", slot=slot(office, start_after(1)))
    refused(api.book(office), "slot-full")


def test_a_booking_is_cancelled_before_its_start_and_not_at_it(api):
    booked = api.given_a_booking(api.given_an_office())
    path = f"/v1/bookings/{booked['reference']}/cancel"

    refused(
        api.post(path, {}, at=MONDAY), "too-late-to-cancel", booking=booked["booking"], starts_at=MONDAY.isoformat()
    )
    assert api.post(path, {}, at=MONDAY - MICROSECOND).status_code == 200


def test_a_cancellation_is_late_within_a_day_of_the_start(api):
    office = api.given_an_office(counters=2)
    cancelled = [
        api.post(f"/v1/bookings/{api.given_a_booking(office)['booking']}/cancel", at=at)
        for at in (MONDAY - DAY, MONDAY - DAY + MICROSECOND)
    ]

    assert [response.json()["late"] for response in cancelled] == [False, True]


def test_a_cancelled_booking_stays_cancelled(api):
    booked = api.given_a_booking(api.given_an_office())
    path = f"/v1/bookings/{booked['reference']}"
    api.post(f"{path}/cancel", {"reason": "سفر"})

    refused(api.post(f"{path}/cancel", {}), "already-cancelled", booking=booked["booking"])
    refused(
        api.post(f"{path}/reschedule", {"starts_at": start_after(1).isoformat()}),
        "already-cancelled",
        booking=booked["booking"],
    )


def test_a_booking_that_was_served_is_neither_moved_nor_cancelled(api):
    booked = api.given_a_booking(api.given_an_office())
    assert api.line(outcome_of(booked, "served", MONDAY + HOUR))["status"] == 200

    response = api.post(f"/v1/bookings/{booked['booking']}/cancel", at=MONDAY + 2 * HOUR)

    problem = refused(response, "already-checked-in", booking=booked["booking"], booking_status="served")
    assert problem["status"] == 409


def test_a_no_show_is_recorded_from_a_quarter_of_an_hour_after_the_start(api):
    booked = api.given_a_booking(api.given_an_office())
    earliest = MONDAY + timedelta(minutes=15)

    early = api.line(outcome_of(booked, "no_show", earliest - MICROSECOND))

    assert (early["status"], early["body"]["type"]) == (409, "/problems/no-show-too-early")
    assert early["body"]["booking"] == booked["booking"]
    assert early["body"]["earliest"] == earliest.isoformat()
    assert api.line(outcome_of(booked, "no_show", earliest))["body"]["status"] == "no_show"


def test_a_command_earlier_than_the_bookings_last_fact_is_refused(api):
    booked = api.given_a_booking(api.given_an_office(), at=ADVANCE)

    response = api.post(f"/v1/bookings/{booked['booking']}/cancel", at=ADVANCE - MICROSECOND)

    refused(response, "invalid-request", 422, field="at")
    assert api.post(f"/v1/bookings/{booked['booking']}/cancel", at=ADVANCE).status_code == 200


# -- a group ----------------------------------------------------------------------------------------------------------


def test_a_refused_group_names_the_booking_and_takes_nothing(api):
    office = api.given_an_office()
    head = api.head()
    group = {"bookings": [booking(office), booking(office, start=start_after(1)), booking(office)]}

    refused(api.post("/v1/bookings/group", group), "slot-full", index=2, slot=slot(office))

    assert api.head() == head
    assert api.book(office).status_code == 201


def test_an_invalid_member_of_a_group_is_named(api):
    group = {"bookings": [booking("CA-TB-01"), booking("CA-TB-01", number="1")]}

    response = api.post("/v1/bookings/group", group)

    refused(response, "invalid-number", 422, field="bookings.1.beneficiary.number", index=1, reason="length")


# -- capacity ---------------------------------------------------------------------------------------------------------


def test_counters_are_not_cut_below_what_is_booked(api):
    office = api.given_an_office(counters=3)
    for _ in range(2):
        api.given_a_booking(office)
    body = {"from": "2011-01-03", "to": "2011-01-03", "counters": 1}

    problem = refused(api.post(f"/v1/offices/{office}/counters", body), "slot-full", slot=slot(office))

    assert (problem["booked"], problem["counters"]) == (2, 1)
    assert api.post(f"/v1/offices/{office}/counters", body | {"counters": 2}).status_code == 200
