"""The national measurement over HTTP: what is counted, what is given, what is corrected, and readings of the past."""

from datetime import timedelta
from fractions import Fraction

import psycopg
import pytest

from domain.events import MeasurementMade
from domain.indicators import INDICATORS
from domain.measurement import decimal, index
from projections import history
from projections.measurement import MeasurementInputs
from projections.rebuild import rebuild
from tests.api.client import ADVANCE, MONDAY, new_key, new_number, start_after

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
PERIOD = {"period_from": "2011-01-01", "period_to": "2011-01-16"}
AFTER = MONDAY + 20 * DAY

#: Every indicator on target, but for two of the first perspective.
GIVEN = {
    "A1": "77/171",
    "A2": "0.9",
    "A3": "1",
    "B1": "0.999",
    "B2": "0.99",
    "B3": "0.999",
    "C1": "1",
    "C2": "0.98",
    "C3": "1",
    "D1": "0.95",
    "D2": "3",
    "D3": "0.05",
    "D4": "0.02",
    "D5": "0.85",
    "D6": "10",
}


def measured(api, given=None, *, source="Qiyas", at=AFTER, by=None, key=None, **period):
    body = PERIOD | period | ({"indicators": given, "source": source} if given is not None else {})
    return api.post("/v1/measurements", body, at=at, by=by, key=key)


def read(api, path, **asked):
    return api.get(path, api.operator, headers={"Mawid-At-Least": str(api.head())}, **asked)


def refused_field(response):
    assert response.json()["type"] == "/problems/invalid-request", response.text
    return response.status_code, response.json()["field"]


# -- what is given ----------------------------------------------------------------------------------------------------


def test_a_measurement_of_given_values_is_exact_to_the_last_digit(api):
    response = measured(api, GIVEN)

    made = response.json()
    a = Fraction("0.5") * Fraction(77, 171) + Fraction("0.3") * Fraction("0.9") + Fraction("0.2")
    index = (a + 3) / 4
    assert response.status_code == 201, response.text
    assert (made["status"], made["missing"]) == ("complete", [])
    assert made["overall_index"] == "0.9237865497076023391812865497"
    assert abs(Fraction(made["overall_index"]) - index) < Fraction(1, 10**28)
    assert made["shown"] == {"ar": "٩٢٫٣٨٪", "en": "92.38%"}
    assert {name: each["score"] for name, each in made["perspectives"].items()} == {
        "A": "0.6951461988304093567251461988",
        "B": "1",
        "C": "1",
        "D": "1",
    }
    assert made["published"] == [
        {"overall_index": made["overall_index"], "source": "computed", "position": made["position"]}
    ]
    assert made["position"] == api.head()


def test_each_indicator_is_told_down_to_its_numerator_and_denominator(api):
    made = measured(api, GIVEN).json()

    assert made["perspectives"]["A"]["indicators"]["A1"] == {
        "name_en": "Live offices / all offices",
        "name_ar": INDICATORS["A1"].name_ar,
        "unit": "share",
        "value": "0.4502923976608187134502923977",
        "numerator": 77,
        "denominator": 171,
        "source": "Qiyas",
        "floor": "0",
        "target": "1",
        "weight": "0.5",
        "score": "0.4502923976608187134502923977",
    }
    assert [name for each in made["perspectives"].values() for name in each["indicators"]] == list(INDICATORS)


@pytest.mark.parametrize(
    ("given", "score"),
    [
        ({"D2": "14"}, "0"),
        ({"D2": "14.000001"}, "0"),
        ({"D2": "13.989"}, "0.001"),
        ({"D2": "3"}, "1"),
        ({"D2": "2.9"}, "1"),
        ({"D6": "60"}, "0"),
        ({"D6": "35"}, "0.5"),
        ({"D1": "0.95"}, "1"),
        ({"D1": "0.96"}, "1"),
        ({"A3": "0.5"}, "0"),
        ({"A3": "0.49"}, "0"),
        ({"A3": "0.501"}, "0.002"),
    ],
)
def test_scores_are_clamped_between_floor_and_target_and_less_may_be_better(api, given, score):
    ((name, _),) = given.items()

    made = measured(api, given).json()

    assert made["perspectives"][name[0]]["indicators"][name]["score"] == score


@pytest.mark.parametrize(
    ("a1", "overall", "english", "arabic"),
    [
        ("0.4004", "0.88785", "88.79%", "٨٨٫٧٩٪"),  # halfway: half-even would show 88.78
        ("0.40039992", "0.88784999", "88.78%", "٨٨٫٧٨٪"),
    ],
)
def test_a_figure_halfway_between_two_is_shown_as_the_upper_one(api, a1, overall, english, arabic):
    given = GIVEN | {"A1": a1, "A2": "1", "A3": "1", "D6": "59.6"}

    made = measured(api, given).json()

    assert made["overall_index"] == overall
    assert made["shown"] == {"en": english, "ar": arabic}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"indicators": {"Z9": "1"}, "source": "x"}, "indicators.Z9"),
        ({"indicators": {"a1": "1"}, "source": "x"}, "indicators.a1"),
        ({"indicators": {"A1": "77/0"}, "source": "x"}, "indicators.A1"),
        ({"indicators": {"A1": "-1/2"}, "source": "x"}, "indicators.A1"),
        ({"indicators": {"A1": "172/171"}, "source": "x"}, "indicators.A1"),
        ({"indicators": {"A1": "1.01"}, "source": "x"}, "indicators.A1"),
        ({"indicators": {"A1": "45%"}, "source": "x"}, "indicators.A1"),
        ({"indicators": {"A1": "4e-1"}, "source": "x"}, "indicators.A1"),
        ({"indicators": {"A1": "٧٧/١٧١"}, "source": "x"}, "indicators.A1"),
        ({"indicators": {"A1": "0." + "1" * 15}, "source": "x"}, "indicators.A1"),
        ({"indicators": {"A1": ""}, "source": "x"}, "indicators.A1"),
        ({"indicators": {"A1": 0.45}, "source": "x"}, "indicators.A1"),
        ({"indicators": {"D2": "nan"}, "source": "x"}, "indicators.D2"),
        ({"indicators": ["A1"], "source": "x"}, "indicators"),
        ({"indicators": {"A1": "1"}}, "source"),
        ({"indicators": {"A1": "1"}, "source": "  "}, "source"),
        ({"period_to": "2010-12-31"}, "period_to"),
        ({"period_from": "2011-01-24", "period_to": "2011-01-30"}, "period_from"),
        ({"period_from": "2011-02-30"}, "period_from"),
        ({"period": "2011"}, "period"),
    ],
)
def test_what_cannot_be_measured_is_refused_by_the_name_of_its_field(api, body, field):
    before = api.head()

    response = api.post("/v1/measurements", PERIOD | body, at=AFTER)

    assert refused_field(response) == (422, field)
    assert api.head() == before


@pytest.mark.parametrize("field", PERIOD)
def test_a_period_has_both_ends(api, field):
    body = {name: day for name, day in PERIOD.items() if name != field}

    assert refused_field(api.post("/v1/measurements", body, at=AFTER)) == (422, field)


def test_a_period_may_begin_on_the_day_it_is_measured_and_no_later(api):
    today = ADVANCE.date()

    begun = measured(api, GIVEN, at=ADVANCE, period_from=today.isoformat(), period_to="2011-12-31")
    tomorrow = (today + DAY).isoformat()

    assert begun.status_code == 201
    assert refused_field(measured(api, GIVEN, at=ADVANCE, period_from=tomorrow, period_to=tomorrow)) == (
        422,
        "period_from",
    )


# -- what is counted --------------------------------------------------------------------------------------------------


@pytest.fixture
def counted(open_api):
    """An instance of its own with two offices, one of them live, and a day of visits; measured as nothing is given."""
    api = open_api()
    live = api.given_an_office(counters=2)
    api.given_an_office(live_from=None, days=None)
    for day, at in (("2011-01-15", ADVANCE), ("2011-01-16", ADVANCE + 2 * DAY)):  # 14 days ahead, and 13
        api.post(f"/v1/offices/{live}/publications", {"from": day, "to": day}, at=at)
    mobile = {"mobile": "0500000001"}
    asked = [
        ("portal", mobile),
        ("sms", None),
        ("kiosk", None),
        ("counter", mobile),
        ("portal", None),
        ("portal", None),
    ]
    booked = [
        api.given_a_booking(live, start=start_after(n), channel=channel, told=told)["booking"]
        for n, (channel, told) in enumerate(asked)
    ]

    def act(path, body=None, *, at):
        response = api.post(f"/v1/{path}", body, at=at)
        assert response.status_code in (200, 201), response.text
        return response.json()

    act(f"bookings/{booked[0]}/cancel", {}, at=MONDAY - DAY)  # exactly 24 h: in time
    act(f"bookings/{booked[1]}/cancel", {}, at=MONDAY - DAY / 2)
    act(f"bookings/{booked[2]}/check-in", at=start_after(2) - 5 * MINUTE)
    act(f"offices/{live}/queue/next", at=start_after(2) + 10 * MINUTE)
    act(f"bookings/{booked[2]}/outcome", {"outcome": "served"}, at=start_after(2) + 20 * MINUTE)
    act(f"bookings/{booked[3]}/check-in", at=start_after(3))
    act(f"offices/{live}/queue/next", at=start_after(3) + 30 * MINUTE)
    act(f"bookings/{booked[4]}/outcome", {"outcome": "no_show"}, at=start_after(4) + 15 * MINUTE)
    act(f"bookings/{booked[5]}/outcome", {"outcome": "no_show"}, at=start_after(5) + 15 * MINUTE)
    came = {"outcome": "served", "reason": "came to the other counter"}
    act(f"bookings/{booked[4]}/outcome/correction", came, at=start_after(8))
    walk_in = {"office": live, "service": "SV-CA-02", "beneficiary": {"number": new_number()}}
    walked_in = act("walk-ins", walk_in, at=start_after(8))
    act(f"offices/{live}/queue/next", at=start_after(8) + 1.5 * MINUTE)
    act(f"bookings/{walked_in['booking']}/outcome", {"outcome": "served"}, at=start_after(9))
    late = MONDAY + 2 * DAY  # Tuesday is a working day
    act(f"bookings/{booked[3]}/outcome", {"outcome": "not_completed"}, at=late)
    return api


def values(made):
    return {
        name: (each["numerator"], each["denominator"])
        for perspective in made["perspectives"].values()
        for name, each in perspective["indicators"].items()
        if each["value"] is not None
    }


def test_values_are_counted_from_the_log(counted):
    response = measured(counted)

    made = response.json()
    assert response.status_code == 201, response.text
    assert values(made) == {
        "A1": (1, 2),
        "A2": (11, 11),
        "A3": (1, 4),
        "C1": (2, 6),
        "C3": (4, 5),
        "D1": (5, 7),
        "D2": (2, 1),
        "D3": (1, 5),
        "D4": (1, 6),
        "D5": (3, 192),
        "D6": (10, 1),
    }
    assert (made["status"], made["missing"]) == ("incomplete", ["B1", "B2", "B3", "C2"])
    assert (made["overall_index"], made["shown"], made["published"]) == (None, None, [])
    assert {name: each["score"] for name, each in made["perspectives"].items()} == {
        "A": "0.55",
        "B": None,
        "C": None,
        "D": decimal(
            Fraction(25, 95) * Fraction(5, 7)  # D1
            + Fraction("0.15")
            + Fraction("0.2") * Fraction(30 - 20, 25)  # D3
            + Fraction("0.1") * (Fraction("0.2") - Fraction(1, 6)) / Fraction("0.18")  # D4; D5 is below its floor
            + Fraction("0.15")
        ),
    }
    assert made["perspectives"]["C"]["indicators"]["C1"]["source"] == "log"
    assert made["perspectives"]["C"]["indicators"]["C2"] | {"name_ar": ""} == {
        "name_en": "Reminders delivered / sent",
        "name_ar": "",
        "unit": "share",
        "value": None,
        "numerator": None,
        "denominator": None,
        "source": None,
        "floor": "0.7",
        "target": "0.98",
        "weight": "0.4",
        "score": None,
    }


def test_what_is_given_stands_in_the_place_of_what_is_counted_and_of_what_is_missing(counted):
    given = {name: GIVEN[name] for name in ("B1", "B2", "B3", "C2", "D3")}

    made = measured(counted, given).json()

    indicators = {
        name: each for perspective in made["perspectives"].values() for name, each in perspective["indicators"].items()
    }
    assert made["status"] == "complete"
    assert (indicators["D3"]["value"], indicators["D3"]["source"]) == ("0.05", "Qiyas")
    assert (indicators["D2"]["value"], indicators["D2"]["source"]) == ("2", "log")


def test_a_period_before_everything_has_no_bookings_to_measure(counted):
    made = measured(counted, period_from="2009-01-01", period_to="2009-12-31").json()

    assert values(made) == {"A1": (0, 2), "A2": (11, 11)}


def test_the_same_question_gives_the_same_digits(counted):
    given = {name: GIVEN[name] for name in ("B1", "B2", "B3", "C2")}

    first, second = (measured(counted, given).json() for _ in range(2))

    changing = {"id", "position", "published", "measured_as_of"}
    assert {name: each for name, each in first.items() if name not in changing} == {
        name: each for name, each in second.items() if name not in changing
    }
    assert first["id"] != second["id"]


def test_a_rebuilt_view_gives_the_same_digits_and_the_log_alone_gives_the_index(counted):
    given = {name: GIVEN[name] for name in ("B1", "B2", "B3", "C2")}
    first = measured(counted, given).json()

    (rebuilt,) = rebuild(counted.settings.storage.database_url, [MeasurementInputs()], compare=True)
    again = measured(counted, given).json()

    assert rebuilt.equal is True
    for told in ("overall_index", "shown", "perspectives", "missing"):
        assert again[told] == first[told]
    with psycopg.connect(counted.settings.storage.database_url) as connection:
        (recorded,) = history.of_stream(connection, f"measurement/{first['id']}")
    made = recorded.fact.event
    assert isinstance(made, MeasurementMade)
    derived = index(made.values)
    assert derived is not None
    assert first["overall_index"] == made.overall_index == decimal(derived)


# -- improvement ------------------------------------------------------------------------------------------------------


def test_an_improvement_is_told_in_three_ways_against_the_period_before(open_api):
    api = open_api()
    other = {"A1": "1", "A2": "1"}
    first = measured(api, GIVEN | {"A1": "0.5", "A2": "0.5", "A3": "0.5"}, period_to="2011-01-02").json()
    measured(api, {"A1": "1"}, period_to="2011-01-03")  # incomplete
    measured(api, GIVEN | other, period_to="2011-01-04")
    again = measured(api, GIVEN | other | {"B1": "0.95", "B2": "0.8", "B3": "0.9"}, period_to="2011-01-04").json()

    second = measured(api, GIVEN | other, period_to="2011-01-05").json()

    assert first["improvement"] is None
    assert again["improvement"] == {
        "compared_with": first["id"],
        "period_from": "2011-01-01",
        "period_to": "2011-01-02",
        "perspectives": {"A": "1.5", "B": "-1", "C": "0", "D": "0"},
        "index": "-0.1176470588235294117647058824",
        "points": "-10",
    }
    assert second["improvement"]["compared_with"] == again["id"]
    assert second["improvement"]["perspectives"] == {"A": "0", "B": None, "C": "0", "D": "0"}
    assert (second["improvement"]["index"], second["improvement"]["points"]) == (
        "0.3333333333333333333333333333",
        "25",
    )


# -- corrections and the past -----------------------------------------------------------------------------------------


def test_a_correction_changes_the_published_figure_and_not_the_computed_one(api):
    made = measured(api, GIVEN).json()
    path = f"/v1/measurements/{made['id']}"

    response = api.post(f"{path}/correction", {"overall_index": "0.8460", "source": "Qiyas, 4th"}, at=AFTER + DAY)

    corrected = response.json()
    assert response.status_code == 200, response.text
    assert corrected["overall_index"] == made["overall_index"]
    assert corrected["published"] == [
        *made["published"],
        {"overall_index": "0.8460", "source": "Qiyas, 4th", "position": corrected["position"]},
    ]
    now = read(api, path).json()
    assert now == corrected | {"as_of": {"position": api.head(), "at": (AFTER + DAY).isoformat()}}


def test_a_reading_as_of_before_the_correction_is_what_it_was(api):
    made = measured(api, GIVEN).json()
    path = f"/v1/measurements/{made['id']}"
    before = read(api, path).json()

    api.post(f"{path}/correction", {"overall_index": "0.5", "source": "Qiyas"}, at=AFTER + DAY)

    by_position = read(api, f"{path}?at_position={made['position']}")
    by_instant = read(api, path, params={"at": (AFTER + DAY - timedelta(seconds=1)).isoformat()})
    assert by_position.json() == before
    assert by_instant.json() == before
    assert len(read(api, path, params={"at": (AFTER + DAY).isoformat()}).json()["published"]) == 2
    assert read(api, f"{path}?at_position={made['position'] - 1}").status_code == 404


def test_an_incomplete_measurement_may_be_given_the_figure_that_was_published_elsewhere(api):
    made = measured(api, {"A1": "1"}).json()

    corrected = api.post(
        f"/v1/measurements/{made['id']}/correction", {"overall_index": "0.71", "source": "Qiyas"}, at=AFTER
    ).json()

    assert (corrected["status"], corrected["overall_index"]) == ("incomplete", None)
    assert [each["overall_index"] for each in corrected["published"]] == ["0.71"]


def test_the_list_tells_every_measurement_as_of_any_place(open_api):
    api = open_api()
    first, second = measured(api, GIVEN).json(), measured(api, {"A1": "1"}).json()
    api.post(f"/v1/measurements/{first['id']}/correction", {"overall_index": "0.5", "source": "Qiyas"}, at=AFTER)

    now = read(api, "/v1/measurements").json()
    then = read(api, f"/v1/measurements?at_position={first['position']}").json()

    assert [(each["id"], each["status"]) for each in now["measurements"]] == [
        (first["id"], "complete"),
        (second["id"], "incomplete"),
    ]
    assert [len(each["published"]) for each in now["measurements"]] == [2, 0]
    assert now["as_of"]["position"] == api.head()
    assert [(each["id"], each["published"]) for each in then["measurements"]] == [(first["id"], first["published"])]
    assert then["as_of"]["position"] == first["position"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("at_position=-1", "at_position"),
        ("at_position=x", "at_position"),
        (f"at_position={2**62}", "at_position"),
        ("at=yesterday", "at"),
        ("at=2011-01-01T00:00:00", "at"),
        ("at=2011-01-01T00:00:00Z&at_position=1", "at"),
        ("position=1", "position"),
    ],
)
@pytest.mark.parametrize("path", ["/v1/measurements", "/v1/measurements/{id}"])
def test_a_place_of_the_log_that_is_none_is_refused(api, path, query, field):
    made = measured(api, GIVEN).json()

    assert refused_field(read(api, f"{path.format(id=made['id'])}?{query}")) == (422, field)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"overall_index": "1.01", "source": "x"}, "overall_index"),
        ({"overall_index": "84.60%", "source": "x"}, "overall_index"),
        ({"overall_index": "-0.5", "source": "x"}, "overall_index"),
        ({"overall_index": ".5", "source": "x"}, "overall_index"),
        ({"overall_index": "0." + "1" * 29, "source": "x"}, "overall_index"),
        ({"overall_index": 0.5, "source": "x"}, "overall_index"),
        ({"overall_index": "0.5"}, "source"),
        ({"overall_index": "0.5", "source": ""}, "source"),
        ({"source": "x"}, "overall_index"),
    ],
)
def test_a_correction_has_a_figure_and_a_source(api, body, field):
    made = measured(api, GIVEN).json()

    response = api.post(f"/v1/measurements/{made['id']}/correction", body)

    assert refused_field(response) == (422, field)


@pytest.mark.parametrize("name", ["0" * 12, "x", "%00", "a" * 500])
def test_a_measurement_that_is_none_is_not_found(api, name):
    correction = {"overall_index": "0.5", "source": "Qiyas"}

    assert read(api, f"/v1/measurements/{name}").status_code == 404
    assert api.post(f"/v1/measurements/{name}/correction", correction).status_code == 404


# -- replays, roles ---------------------------------------------------------------------------------------------------


def test_a_replay_is_answered_with_the_same_bytes_after_a_correction_too(api):
    key = new_key()
    first = measured(api, GIVEN, key=key)
    path = f"/v1/measurements/{first.json()['id']}/correction"
    correcting = new_key()
    corrected = api.post(path, {"overall_index": "0.5", "source": "Qiyas"}, key=correcting)
    api.post(path, {"overall_index": "0.6", "source": "Qiyas"})

    again = measured(api, GIVEN, key=key, at=AFTER + 30 * DAY)
    corrected_again = api.post(path, {"overall_index": "0.5", "source": "Qiyas"}, key=correcting)

    assert (again.status_code, again.content) == (201, first.content)
    assert (corrected_again.status_code, corrected_again.content) == (200, corrected.content)
    assert again.headers["idempotency-replayed"] == corrected_again.headers["idempotency-replayed"] == "true"
    assert measured(api, GIVEN | {"A1": "1"}, key=key).json()["type"] == "/problems/idempotency-key-reused"


def test_one_key_corrects_one_measurement(api):
    one, other = measured(api, GIVEN).json(), measured(api, GIVEN).json()
    key, correction = new_key(), {"overall_index": "0.5", "source": "Qiyas"}

    first, second = (
        api.post(f"/v1/measurements/{each['id']}/correction", correction, key=key) for each in (one, other)
    )

    assert (first.status_code, second.status_code) == (200, 422)


def test_dashboards_measure_and_others_do_not(api):
    made = measured(api, GIVEN, by=api.token("dashboard"))

    assert made.status_code == 201
    assert api.get(f"/v1/measurements/{made.json()['id']}", api.token("dashboard")).status_code == 200
    assert measured(api, GIVEN, by=api.token("auditor")).status_code == 403
