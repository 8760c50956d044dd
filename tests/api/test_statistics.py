import asyncio

import pytest

from tests.api.client import ADVANCE, MONDAY, booking, new_key, new_number, start_after
from tests.api.listening import listening

NOTHING = {"live": 0, "made": 0, "cancelled": 0, "rescheduled": 0, "served": 0, "no_show": 0}


def read(api, path, *, by=None, now=ADVANCE, **asked):
    headers = {"Mawid-At-Least": str(api.head()), "Mawid-Now": now.isoformat()}
    return api.get(path, by or api.operator, headers=headers, **asked)


def rows(api, query, **asked):
    answer = read(api, f"/v1/statistics/totals?{query}", **asked)
    assert answer.status_code == 200, answer.text
    return answer.json()["rows"]


def given_booked(api, office, n, **asked):
    return [api.given_a_booking(office, start=start_after(i), **asked) for i in range(n)]


# -- totals -----------------------------------------------------------------------------------------------------------


def test_a_fact_counts_where_its_booking_stood(api):
    here, there = api.given_an_office(), api.given_an_office()
    moved, cancelled, _ = given_booked(api, here, 3)
    api.post(f"/v1/bookings/{moved['reference']}/reschedule", {"starts_at": MONDAY.isoformat(), "office": there})
    api.post(f"/v1/bookings/{cancelled['reference']}/cancel", {})

    assert rows(api, f"office={here}") == [NOTHING | {"live": 1, "made": 3, "cancelled": 1}]
    assert rows(api, f"office={there}") == [NOTHING | {"live": 1, "rescheduled": 1}]


def test_totals_are_grouped_by_what_is_asked_for(api):
    office = api.given_an_office(counters=2)
    api.given_a_booking(office, channel="sms")
    given_booked(api, office, 2, service="SV-CA-30")

    assert rows(api, f"by=service,channel,date,hour&office={office}") == [
        {"service": "SV-CA-02", "channel": "sms", "date": "2011-01-03", "hour": 8} | NOTHING | {"live": 1, "made": 1},
        {"service": "SV-CA-30", "channel": "portal", "date": "2011-01-03", "hour": 8}
        | NOTHING
        | {"live": 2, "made": 2},
    ]
    assert rows(api, f"by=office,region,sector&office={office}&channel=sms") == [
        {"office": office, "region": "TB", "sector": "civil_affairs"} | NOTHING | {"live": 1, "made": 1}
    ]
    assert rows(api, f"by=made_date&office={office}") == [
        {"made_date": "2011-01-01"} | NOTHING | {"live": None, "made": 3}
    ]


def test_live_is_what_is_not_over_yet(api):
    office = api.given_an_office()
    given_booked(api, office, 2)

    def live(now):
        return rows(api, f"office={office}", now=now)[0]["live"]

    assert [live(start_after(n)) for n in range(3)] == [2, 1, 0]


def test_the_days_of_visits_are_narrowed_both_ends_included(api):
    office = api.given_an_office()
    api.given_a_booking(office)
    api.given_a_booking(office, start=start_after(96))

    def made(query):
        return rows(api, f"office={office}&{query}")[0]["made"]

    assert made("from=2011-01-03&to=2011-01-04") == 2
    assert made("from=2011-01-04") == 1
    assert made("to=2011-01-03") == 1
    assert made("from=2011-01-05") == 0


def test_a_dashboard_is_shown_no_number_that_points_at_somebody(api):
    office = api.given_an_office()
    given_booked(api, office, 9)
    dashboard = api.token("dashboard")

    few = rows(api, f"office={office}", by=dashboard)
    api.given_a_booking(office, start=start_after(9))
    enough = rows(api, f"office={office}", by=dashboard)

    assert few == [NOTHING | {"live": "<10", "made": "<10"}]
    assert enough == [NOTHING | {"live": 10, "made": 10}]
    assert rows(api, f"office={office}") == enough


def test_totals_over_all_are_one_row(api):
    before = rows(api, "")[0]["made"]
    api.given_a_booking(api.given_an_office())

    (row,) = rows(api, "")

    assert row["made"] == before + 1


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("by=person", "by"),
        ("by=office,", "by"),
        ("by=office,office", "by"),
        ("by=made_date,hour", "by"),
        ("by=office;DROP", "by"),
        ("from=2011-01-03&to=2011-01-02", "to"),
        ("from=now", "from"),
        ("office=CA-XX-99", "office"),
        ("region=XX", "region"),
        ("service=SV-XX-99", "service"),
        ("sector=astronomy", "sector"),
        ("channel=travel_gate", "channel"),
        ("by=office&by=region", "by"),
        ("group=office", "group"),
    ],
)
def test_what_cannot_be_counted_is_refused_by_the_name_of_its_parameter(api, query, field):
    response = read(api, f"/v1/statistics/totals?{query}")

    assert (response.status_code, response.json()["field"]) == (422, field)


# -- the running count and its milestones -----------------------------------------------------------------------------


def test_only_first_confirmations_over_electronic_channels_count(api):
    def count():
        return read(api, "/v1/statistics/running-count").json()["count"]

    office, before = api.given_an_office(), count()
    booked, *_ = [
        api.given_a_booking(office, start=start_after(n), channel=channel)
        for n, channel in enumerate(("portal", "kiosk", "sms", "counter"))
    ]
    api.post(f"/v1/bookings/{booked['reference']}/reschedule", {"starts_at": start_after(9).isoformat()})
    api.post(f"/v1/bookings/{booked['reference']}/cancel", {})

    assert count() == before + 3


def test_a_milestone_names_the_booking_that_crossed_it_and_the_next_one_is_known(open_api):
    api = open_api()
    office = api.given_an_office()
    booked = given_booked(api, office, 11)

    answer = read(api, "/v1/milestones").json()

    assert answer["milestones"] == [
        {
            "threshold": threshold,
            "booking": booked[threshold - 1]["booking"],
            "position": booked[threshold - 1]["position"],
            "at": "2011-01-01T09:00:00+03:00",
            "hijri": "1432-01-26",
        }
        for threshold in (1, 10)
    ]
    assert answer["next"] == 100
    assert answer["as_of"]["position"] == api.head()
    assert read(api, "/v1/statistics/running-count").json()["count"] == 11


# -- the stream -------------------------------------------------------------------------------------------------------


def test_listeners_are_told_of_totals_and_of_milestones_when_they_are_crossed(open_api):
    api = open_api()
    office, dashboard = api.given_an_office(), api.token("dashboard")

    async def book():
        headers = {"Idempotency-Key": new_key(), "Mawid-Now": ADVANCE.isoformat()}
        asked = {"headers": headers, "json": booking(office, number=new_number())}
        return (await api.calling("POST", "/v1/bookings", by=api.operator, **asked)).json()

    async def told():
        async with listening(api, "/v1/statistics/stream", by=dashboard) as stream:
            first = await stream.next()
            booked = await book()
            return stream, first, booked, await stream.next(), await stream.next()

    stream, first, booked, milestone, totals = api.run(told())
    assert (stream.status, stream.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    assert (first.name, first.data["count"], first.data["as_of"]["position"]) == ("totals", 0, first.id)
    assert (milestone.name, milestone.id) == ("milestone", booked["position"])
    assert (milestone.data["threshold"], milestone.data["booking"]) == (1, booked["booking"])
    assert (totals.name, totals.data["count"]) == ("totals", 1)
    assert totals.id >= booked["position"]


def test_who_comes_back_is_told_the_milestones_they_missed(open_api):
    api = open_api()
    booked = given_booked(api, api.given_an_office(), 10)
    read(api, "/v1/milestones")
    read(api, "/v1/statistics/running-count")
    seen = [("Last-Event-ID", str(booked[0]["position"]))]

    async def told():
        async with listening(api, "/v1/statistics/stream", by=api.operator, headers=seen) as stream:
            return await stream.next(), await stream.next()

    milestone, totals = api.run(told())
    assert (milestone.name, milestone.data["threshold"], milestone.id) == ("milestone", 10, booked[9]["position"])
    assert (totals.name, totals.data["count"]) == ("totals", 10)


@pytest.mark.parametrize("path", ["/v1/statistics/stream", "/v1/feed/stream"])
@pytest.mark.parametrize("told", ["", "x", "-1", "1.0", "9" * 20, "١"])
def test_a_last_event_that_is_no_position_is_refused(api, path, told):
    response = api.get(path, api.operator, headers=[(b"Last-Event-ID", told.encode())])

    assert (response.status_code, response.json()["field"]) == (400, "Last-Event-ID")


def test_so_many_listen_and_no_more(open_api):
    api = open_api(MAWID_STREAMS_MAX="1")

    async def listen():
        async with listening(api, "/v1/feed/stream?after=0", by=api.operator) as first:
            await first.next()
            async with listening(api, "/v1/statistics/stream", by=api.operator, ends=True) as second:
                pass
        async with listening(api, "/v1/feed/stream?after=0", by=api.operator) as third:
            await third.next()
        return second, third

    second, third = api.run(asyncio.wait_for(listen(), 60))
    assert (second.status, third.status) == (503, 200)
    assert int(second.headers["retry-after"]) >= 1
    assert b"/problems/overloaded" in second.body
