import pytest

from tests.api.client import ADVANCE, booking, new_key

NOW = "2011-01-01T09:00:00+03:00"


def problem(response):
    told = response.json()
    return response.status_code, told["type"].removeprefix("/problems/"), told.get("field")


def test_in_request_clock_a_command_needs_its_time(api):
    response = api.post("/v1/bookings", booking(api.given_an_office()), at=None)

    assert problem(response) == (400, "invalid-request", "Mawid-Now")


@pytest.mark.parametrize(
    "now",
    [
        "",
        "2011-01-01",
        "2011-01-01T09:00:00",
        "2011-01-01 09:00:00+03:00",
        "2011-01-01T09:00+03:00",
        "2011-02-29T09:00:00Z",
        "2011-01-01T09:00:60Z",
        "2011-01-01T24:00:00Z",
        "2011-01-01T09:00:00+24:00",
        "1432-01-01T09:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "1293861600",
        "now",
        "٢٠١١-٠١-٠١T09:00:00Z",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_time_that_is_no_instant_is_refused(api, method, now):
    headers = {"Mawid-Now": now.encode(), "Idempotency-Key": new_key()}

    response = api.call(
        method, f"/v1/bookings/{'0' * 20}" + "/cancel" * (method == "POST"), by=api.operator, headers=headers
    )

    assert problem(response) == (400, "invalid-request", "Mawid-Now")


@pytest.mark.parametrize(
    "now", [NOW, "2011-01-01T06:00:00Z", "2011-01-01t06:00:00.000z", "2011-01-01T01:00:00.5-05:00"]
)
def test_an_instant_is_rfc_3339_with_any_offset(api, now):
    office = api.given_an_office()

    assert api.post("/v1/bookings", booking(office), at=None, headers={"Mawid-Now": now}).status_code == 201


def test_a_read_needs_no_time_and_takes_one(api):
    path = f"/v1/bookings/{'0' * 20}"

    assert api.get(path, api.operator).status_code == 404
    assert api.get(path, api.operator, headers={"Mawid-Now": NOW}).status_code == 404


def test_a_fact_is_dated_by_the_command(api):
    booked = api.given_a_booking(api.given_an_office(), at=ADVANCE)
    headers = {"Mawid-At-Least": str(booked["position"])}

    history = api.get(f"/v1/bookings/{booked['booking']}/history", api.operator, headers=headers).json()

    assert history["facts"][0]["at"] == ADVANCE.isoformat()


def test_by_the_systems_clock_the_header_is_refused(open_api):
    api = open_api(MAWID_CLOCK="system")
    path = f"/v1/bookings/{'0' * 20}"

    refused = [
        api.post(f"{path}/cancel", at=ADVANCE),
        api.get(path, api.operator, headers={"Mawid-Now": NOW}),
        api.get("/health/live", headers={"Mawid-Now": NOW}),
        api.bulk(at=ADVANCE),
    ]

    assert {problem(response) for response in refused} == {(400, "invalid-request", "Mawid-Now")}
    assert api.post(f"{path}/cancel", at=None).status_code == 404
