"""A guardian asks and reads for a dependant as for themselves, up to the last day, and not a second longer (POL-14)."""

from datetime import datetime, timedelta

import pytest

from domain.calendar import RIYADH
from tests.api.client import ADVANCE, MONDAY, booking, new_key, new_number, start_after
from tests.api.test_idempotency import same

LAST_DAY = "2011-01-01"
AFTER = datetime(2011, 1, 2, tzinfo=RIYADH)
SECOND = timedelta(seconds=1)


def appoint(api, guardian, dependant, until=LAST_DAY, **asked):
    body = {"guardian": {"number": guardian}, "dependant": {"number": dependant}, "until": until}
    return api.post("/v1/persons/guardianships", body, **asked)


@pytest.fixture
def family(api):
    """Numbers of a guardian and a dependant."""
    guardian, dependant = new_number(), new_number()
    assert appoint(api, guardian, dependant).status_code == 201
    return guardian, dependant


def seen(api, at=None):
    return {"Mawid-At-Least": str(api.head())} | ({"Mawid-Now": at.isoformat()} if at else {})


def test_a_guardianship_answers_with_ids_and_the_last_day(api):
    guardian, dependant = new_number(), new_number()

    response = appoint(api, guardian, dependant, by=api.token("staff", office=api.given_an_office()))

    answer = response.json()
    assert response.status_code == 201
    assert list(answer) == ["guardian", "dependant", "until", "position"]
    assert (answer["until"], answer["position"]) == (LAST_DAY, api.head())
    assert guardian not in response.text
    assert dependant not in response.text


def test_a_guardian_books_moves_cancels_and_reads_for_a_dependant(api, family):
    guardian, dependant = family
    office, by = api.given_an_office(), api.citizen(guardian)

    booked = api.book(office, number=dependant, by=by)
    reference = booked.json()["reference"]
    moved = api.post(f"/v1/bookings/{reference}/reschedule", {"starts_at": start_after(3).isoformat()}, by=by)
    read = [
        api.get(f"/v1/bookings/{reference}{what}", by, headers=seen(api, ADVANCE))
        for what in ("", "/history", "/calendar.ics")
    ]
    listed = api.get(f"/v1/bookings?number={dependant}", by, headers=seen(api, ADVANCE))
    cancelled = api.post(f"/v1/bookings/{reference}/cancel", {"reason": "ill"}, by=by)

    assert [answer.status_code for answer in (booked, moved, *read, listed, cancelled)] == [201] + [200] * 6
    assert read[1].json()["facts"][0]["booker"] == appoint(api, guardian, dependant).json()["guardian"]
    assert [one["reference"] for one in listed.json()["bookings"]] == [reference]
    assert cancelled.json()["status"] == "cancelled"


def test_a_guardian_acts_up_to_the_last_second_of_the_last_day(api, family):
    guardian, dependant = family
    office, by = api.given_an_office(), api.citizen(guardian)

    booked = api.book(office, number=dependant, by=by, at=AFTER - SECOND)
    late = api.book(office, number=dependant, service="SV-CA-03", start=start_after(1), by=by, at=AFTER)
    path = f"/v1/bookings/{booked.json()['reference']}"

    assert booked.status_code == 201
    assert (late.status_code, late.json()["type"]) == (403, "/problems/forbidden")
    assert late.json()["until"] == LAST_DAY
    assert api.post(f"{path}/cancel", {}, by=by, at=AFTER).status_code == 404
    assert api.get(path, by, headers=seen(api, AFTER)).status_code == 404
    assert api.get(path, by, headers=seen(api, AFTER - SECOND)).status_code == 200
    listing = f"/v1/bookings?number={dependant}"
    assert api.get(listing, by, headers=seen(api, AFTER)).status_code == 403
    assert api.get(listing, by, headers=seen(api, AFTER - SECOND)).status_code == 200
    assert api.post(f"{path}/cancel", {}, by=by, at=AFTER - SECOND).status_code == 200


def test_whoever_is_no_guardian_meets_what_a_stranger_meets_byte_for_byte(api, family):
    guardian, dependant = family
    office = api.given_an_office()
    booked = api.given_a_booking(office, number=guardian)
    by = api.citizen(dependant)  # it holds one way only

    for read in ("", "/history", "/calendar.ics"):
        foreign, missing = (
            api.get(f"/v1/bookings/{name}{read}", by, headers=seen(api, ADVANCE))
            for name in (booked["booking"], "0" * 20)
        )
        assert (foreign.status_code, foreign.content) == (404, missing.content)
    known, unknown = (api.book(office, number=number, by=by) for number in (guardian, new_number()))
    assert (known.status_code, known.content) == (403, unknown.content)
    known, unknown = (
        api.get(f"/v1/bookings?number={number}", by, headers=seen(api, ADVANCE)) for number in (guardian, new_number())
    )
    assert (known.status_code, known.content) == (403, unknown.content)


def test_limits_count_on_the_dependant_and_the_refusal_names_the_booking_to_the_guardian(api, family):
    guardian, dependant = family
    office, by = api.given_an_office(counters=4), api.citizen(guardian)
    booked = api.given_a_booking(office, number=dependant)

    again = api.book(office, number=dependant, start=start_after(1), by=by)

    assert (again.status_code, again.json()["type"]) == (409, "/problems/active-booking-exists")
    assert (again.json()["booking"], again.json()["reference"]) == (booked["booking"], booked["reference"])
    assert api.book(office, number=guardian, start=start_after(1), by=by).status_code == 201


@pytest.mark.parametrize(("counters", "starts"), [(3, (0, 0, 0)), (1, (0, 1, 2)), (2, (5, 5, 6))])
def test_a_family_is_booked_at_several_counters_or_one_after_another_at_one(api, family, counters, starts):
    guardian, dependant = family
    second_child = new_number()
    appoint(api, guardian, second_child)
    office, by = api.given_an_office(counters=counters), api.citizen(guardian)
    people = zip((guardian, dependant, second_child), starts, strict=True)

    response = api.post(
        "/v1/bookings/group",
        {"bookings": [booking(office, number=number, start=start_after(n)) for number, n in people]},
        by=by,
    )

    assert response.status_code == 201, response.text
    assert [one["starts_at"] for one in response.json()["bookings"]] == [start_after(n).isoformat() for n in starts]


@pytest.mark.parametrize("third", ["a stranger", "a dependant twice"])
def test_a_family_with_one_too_many_is_booked_not_at_all(api, family, third):
    guardian, dependant = family
    office, by = api.given_an_office(counters=3), api.citizen(guardian)
    last = new_number() if third == "a stranger" else dependant
    bookings = [booking(office, number=number) for number in (guardian, dependant, last)]
    head = api.head()

    response = api.post("/v1/bookings/group", {"bookings": bookings}, by=by)

    expected = (403, "forbidden") if third == "a stranger" else (409, "active-booking-exists")
    assert (response.status_code, response.json()["type"]) == (expected[0], f"/problems/{expected[1]}")
    assert response.json()["index"] == 2
    assert api.head() == head
    assert api.post("/v1/bookings/group", {"bookings": bookings[:2]}, by=by).status_code == 201


def test_a_guardian_holds_and_lets_go_and_confirms_for_a_dependant(api, family):
    guardian, dependant = family
    by, asked = api.citizen(guardian), booking(api.given_an_office(), number=dependant)
    first = api.post("/v1/holds", asked, by=by).json()["hold"]
    released = api.delete(f"/v1/holds/{first}", by=by)
    second = api.post("/v1/holds", asked, by=by).json()["hold"]

    confirmed = api.post("/v1/bookings", asked | {"hold": second}, by=by)

    assert (released.status_code, confirmed.status_code) == (200, 201)
    assert confirmed.json()["booking"] == second


def test_a_guardian_waits_for_a_dependant_and_takes_what_is_offered(api, family):
    guardian, dependant = family
    office, by = api.given_an_office(days=("2011-01-03", "2011-01-03")), api.citizen(guardian)
    taken = [api.given_a_booking(office, start=start_after(n)) for n in range(24)]
    window = {"office": office, "service": "SV-CA-02", "from": "2011-01-03", "to": "2011-01-03", "channel": "portal"}
    entry = api.post("/v1/waiting-list", window | {"beneficiary": {"number": dependant}}, by=by).json()["entry"]
    api.post(f"/v1/bookings/{taken[0]['booking']}/cancel")

    read = api.get(f"/v1/waiting-list/{entry}", by, headers=seen(api, ADVANCE))
    late = api.get(f"/v1/waiting-list/{entry}", by, headers=seen(api, AFTER))
    strangers = api.post(f"/v1/waiting-list/{entry}/accept", by=api.citizen(new_number()))
    accepted = api.post(f"/v1/waiting-list/{entry}/accept", by=by)

    assert (read.status_code, read.json()["status"]) == (200, "offered")
    assert (late.status_code, strangers.status_code, accepted.status_code) == (404, 404, 201)
    history = api.get(f"/v1/bookings/{entry}/history", by, headers=seen(api, ADVANCE)).json()["facts"]
    (booked,) = (fact for fact in history if fact["type"] == "SlotBooked.v1")
    assert booked["booker"] == appoint(api, guardian, dependant).json()["guardian"]


@pytest.mark.parametrize("path", ["/v1/holds", "/v1/waiting-list"])
def test_without_a_guardianship_a_citizen_keeps_no_place_for_another(api, path):
    office = api.given_an_office()
    asked = booking(office)
    if path == "/v1/waiting-list":
        del asked["starts_at"]
        asked |= {"from": "2011-01-03", "to": "2011-01-04"}

    response = api.post(path, asked, by=api.citizen(new_number()))

    assert (response.status_code, response.json()["type"]) == (403, "/problems/forbidden")


def test_a_guardians_booking_replays_after_the_guardianship_has_ended(api, family):
    guardian, dependant = family
    body, key, by = booking(api.given_an_office(), number=dependant), new_key(), api.citizen(guardian)
    first = api.post("/v1/bookings", body, by=by, key=key)
    assert appoint(api, guardian, dependant, until="2010-12-31").status_code == 201

    again = api.post("/v1/bookings", body, by=by, key=key, at=MONDAY)

    assert first.status_code == 201
    same(first, again)
    assert api.book(body["office"], number=dependant, service="SV-CA-03", by=by).status_code == 403


def test_a_guardianship_replays_and_changes_nothing_when_asked_for_again(api):
    guardian, dependant, key = new_number(), new_number(), new_key()
    first = appoint(api, guardian, dependant, key=key)
    head = api.head()

    same(first, appoint(api, guardian, dependant, key=key))
    anew = appoint(api, guardian, dependant)

    assert anew.status_code == 201
    assert anew.json()["position"] == api.head() == head


@pytest.mark.parametrize(
    ("changed", "status", "field"),
    [
        ({"guardian": {"number": "1000000009"}}, 422, "guardian.number"),
        ({"dependant": {"number": "1"}}, 422, "dependant.number"),
        ({"guardian": "1000000008"}, 422, "guardian"),
        ({"dependant": {"number": "1000000016", "mobile": "0110000000"}}, 422, "dependant.mobile"),
        ({"until": "2010-12-31"}, 422, "until"),
        ({"until": "soon"}, 422, "until"),
        ({"dependant": {"number": "1000000008"}}, 422, "guardian"),
    ],
)
def test_what_is_no_guardianship_is_refused(api, changed, status, field):
    good = {"guardian": {"number": "1000000008"}, "dependant": {"number": "1000000016"}, "until": "2011-01-01"}

    response = api.post("/v1/persons/guardianships", good | changed)

    assert (response.status_code, response.json()["field"]) == (status, field)


def test_a_citizen_is_who_asks_and_nobody_else(api, family):
    guardian, dependant = family
    by, body = api.citizen(guardian), booking(api.given_an_office(), number=dependant)

    other = api.post("/v1/bookings", body | {"booker": {"number": new_number()}}, by=by)
    own = api.post("/v1/bookings", body | {"booker": {"number": guardian}}, by=by)

    assert (other.status_code, own.status_code) == (403, 201)
