import pytest

from tests.api.client import ADVANCE, MONDAY, new_key, start_after

NAMES = {"name_ar": "مكتب", "name_en": "office", "city_ar": "تبوك", "city_en": "Tabuk"}


def office_of(name, **different):
    return NAMES | {"office": name, "region": "TB", "section": "mixed", "counters": 2} | different


def refused_field(response):
    assert response.json()["type"] == "/problems/invalid-request", response.text
    return response.status_code, response.json()["field"]


def test_an_office_is_registered_once(api):
    response = api.post("/v1/offices", office_of("CA-A-01"))
    again = api.post("/v1/offices", office_of("CA-A-01"))

    assert (response.status_code, response.json()) == (201, {"office": "CA-A-01", "position": api.head()})
    assert (again.status_code, again.json()) == (201, response.json())
    assert refused_field(api.post("/v1/offices", office_of("CA-A-01", section="men"))) == (422, "office")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("office", "ca-1"),
        ("name_ar", ""),
        ("section", "both"),
        ("counters", 0),
        ("sectors", []),
        ("sectors", ["post"]),
        ("region", "tabuk"),
        ("live_from", "2011-01-01"),
    ],
)
def test_an_office_is_described_as_the_contract_says(api, field, value):
    status, named = refused_field(api.post("/v1/offices", office_of("CA-A-02", **{field: value})))

    assert (status, named.partition(".")[0]) == (422, field)


def test_a_live_date_is_announced_and_may_move(api):
    office = api.given_an_office(live_from=None, days=None)

    answers = [api.post(f"/v1/offices/{office}/live", {"from": day}).json() for day in ("2011-01-29", "2011-02-05")]

    assert [answer["live_from"] for answer in answers] == ["2011-01-29", "2011-02-05"]
    assert answers[1]["position"] == answers[0]["position"] + 1 == api.head()


def test_a_publication_opens_what_the_calendar_opens(api):
    office = api.given_an_office(counters=3, days=None)
    path, week = f"/v1/offices/{office}/publications", {"from": "2011-01-01", "to": "2011-01-07"}

    first, again = (api.post(path, week).json() for _ in range(2))

    assert first == {
        "units_published": 5 * 24 * 3,
        "units_withdrawn": 0,
        "days_open": 5,
        "days_closed": 2,
        "position": api.head(),
    }
    assert again == first | {"units_published": 0}


def test_a_publication_of_a_longer_range_opens_the_new_days_only(api):
    office = api.given_an_office()

    answer = api.post(f"/v1/offices/{office}/publications", {"from": "2011-01-01", "to": "2011-01-04"}).json()

    assert (answer["units_published"], answer["days_open"]) == (2 * 24, 4)


@pytest.mark.parametrize(
    ("first", "last", "is_taken"),
    [("2011-01-03", "2011-01-02", False), ("2011-01-03", "2011-01-03", True), ("2011-01-01", "2012-02-05", False)],
    ids=["backwards", "one day", "401 days"],
)
def test_a_publication_is_of_a_range_of_days(api, first, last, is_taken):
    office = api.given_an_office(days=None)

    response = api.post(f"/v1/offices/{office}/publications", {"from": first, "to": last})

    assert response.status_code == 200 if is_taken else refused_field(response) == (422, "to")


@pytest.mark.parametrize("command", ["publications", "counters"])
def test_an_unknown_office_changes_nothing(api, command):
    head, body = api.head(), {"from": "2011-01-01", "to": "2011-01-31"}

    response = api.post(f"/v1/offices/CA-XX-99/{command}", body | ({"counters": 1} if command == "counters" else {}))

    assert refused_field(response) == (422, "office")
    assert api.head() == head


@pytest.mark.parametrize(
    ("since", "until", "slots"),
    [
        ("2011-01-03", "2011-01-03", 24),
        ("2011-01-03", "2011-01-04", 48),
        ("2011-01-03T08:00", "2011-01-03T09:00", 4),
        ("2011-01-03T08:00+03:00", "2011-01-03T06:00Z", 4),
        ("2011-01-03T13:00", "2011-01-04", 4 + 24),
    ],
)
def test_counters_are_assigned_for_whole_days_or_for_hours(api, since, until, slots):
    office = api.given_an_office(counters=1)

    answer = api.post(f"/v1/offices/{office}/counters", {"from": since, "to": until, "counters": 5})

    assert answer.json() == {"office": office, "counters": 5, "slots": slots, "position": api.head()}


def test_more_counters_are_more_places_within_their_hours_only(api):
    office = api.given_an_office(counters=1)
    api.post(f"/v1/offices/{office}/counters", {"from": "2011-01-03T08:00", "to": "2011-01-03T08:15", "counters": 2})

    answers = {n: [api.book(office, start=start_after(n)).status_code for _ in range(3)] for n in (0, 1)}

    assert answers == {0: [201, 201, 409], 1: [201, 409, 409]}


def test_counters_hold_for_what_is_published_later(api):
    office = api.given_an_office(counters=1, days=None)
    api.post(f"/v1/offices/{office}/counters", {"from": "2011-01-03", "to": "2011-01-03", "counters": 3})

    answer = api.post(f"/v1/offices/{office}/publications", {"from": "2011-01-03", "to": "2011-01-04"}).json()

    assert answer["units_published"] == 24 * 3 + 24


@pytest.mark.parametrize(("since", "until"), [("2011-01-04", "2011-01-03"), ("2011-01-03T09:00", "2011-01-03T09:00")])
def test_counters_are_assigned_forwards(api, since, until):
    office = api.given_an_office()

    response = api.post(f"/v1/offices/{office}/counters", {"from": since, "to": until, "counters": 2})

    assert refused_field(response) == (422, "to")


def test_a_publication_interrupted_half_way_is_finished_by_its_retry(api):
    """As after a lost connection: some days are done under the key, and the retry does the rest."""
    office, key = api.given_an_office(days=None), new_key()
    path, body = f"/v1/offices/{office}/publications", {"from": "2011-01-03", "to": "2011-01-05"}
    whole = api.post(path, body, key=key)
    other_office = api.given_an_office(days=None)

    again = api.post(path, body, key=key)
    elsewhere = api.post(f"/v1/offices/{other_office}/publications", body, key=key)

    assert again.content == whole.content
    assert elsewhere.json()["type"] == "/problems/idempotency-key-reused"


def test_publication_may_precede_the_live_date(api):
    office = api.given_an_office(live_from="2011-01-03", days=("2011-01-03", "2011-01-03"))

    assert api.book(office, at=ADVANCE).json()["type"] == "/problems/office-not-live"
    assert api.book(office, at=MONDAY, channel="kiosk", start=start_after(1)).status_code == 201
