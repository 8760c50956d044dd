import asyncio

import psycopg
import pytest

from api import server_sent
from tests.api.client import ADVANCE, booking, new_key, new_number
from tests.api.listening import listening

STREAM = "/v1/feed/stream"


async def book(api, office):
    headers = {"Idempotency-Key": new_key(), "Mawid-Now": ADVANCE.isoformat()}
    asked = {"headers": headers, "json": booking(office, number=new_number())}
    return (await api.calling("POST", "/v1/bookings", by=api.operator, **asked)).json()


@pytest.mark.parametrize("role", ["auditor", "operator"])
def test_other_systems_are_told_every_fact_in_an_envelope_without_a_person(api, role):
    booked = api.given_a_booking(api.given_an_office())

    page = api.get(f"/v1/feed?after={booked['position'] - 1}", api.token(role)).json()

    (event,) = page["events"]
    assert list(event) == ["position", "id", "type", "stream", "stream_version", "at", "command_id", "data"]
    assert event["id"] == f"{event['stream']}/{event['stream_version']}"
    assert event["data"]["channel"] == "portal"
    assert (page["next"], page["as_of"]["position"]) == (None, booked["position"])


def test_pages_lead_through_the_whole_log(api):
    api.given_an_office()
    after, seen = 0, []
    while after is not None:
        page = api.get(f"/v1/feed?after={after}&limit=7", api.operator).json()
        seen += [event["position"] for event in page["events"]]
        after = page["next"]

    assert seen == list(range(1, api.head() + 1))


def test_beyond_the_end_there_is_nothing_yet(api):
    page = api.get(f"/v1/feed?after={api.head() + 100}", api.operator).json()

    assert (page["events"], page["next"]) == ([], None)


@pytest.mark.parametrize(("query", "field"), [("limit=1001", "limit"), ("after=-1", "after"), ("type=x", "type")])
def test_what_cannot_be_asked_is_refused(api, query, field):
    response = api.get(f"/v1/feed?{query}", api.operator)

    assert (response.status_code, response.json()["field"]) == (422, field)


# -- the stream -------------------------------------------------------------------------------------------------------


def test_listeners_are_told_what_was_and_then_what_comes(api):
    office = api.given_an_office(days=None)
    api.post(f"/v1/offices/{office}/publications", {"from": "2011-01-03", "to": "2011-01-03"})
    head = api.head()

    async def told():
        async with listening(api, f"{STREAM}?after={head - 2}", by=api.operator) as stream:
            before = [await stream.next(), await stream.next()]
            booked = await book(api, office)
            return before, booked, await stream.next()

    before, booked, new = api.run(told())
    assert [(heard.id, heard.data["position"]) for heard in before] == [(head - 1, head - 1), (head, head)]
    assert (new.name, new.id, new.data["type"]) == (None, booked["position"], "SlotBooked.v1")


def test_who_comes_back_goes_on_where_they_were(api):
    api.given_an_office()
    head = api.head()

    async def told():
        seen = [("Last-Event-ID", str(head - 1))]
        async with listening(api, f"{STREAM}?after=0", by=api.operator, headers=seen) as stream:
            return await stream.next()

    assert api.run(told()).id == head


def test_without_a_place_to_begin_the_next_fact_is_the_first(api):
    office = api.given_an_office()
    head = api.head()

    async def told():
        async with listening(api, STREAM, by=api.operator) as stream:
            await stream.begun.wait()
            await book(api, office)
            return await stream.next()

    assert api.run(told()).id == head + 1


def test_several_listen_each_from_their_own_place(api):
    office = api.given_an_office()
    head = api.head()

    async def told():
        async with (
            listening(api, f"{STREAM}?after={head - 1}", by=api.operator) as one,
            listening(api, f"{STREAM}?after={head}", by=api.operator) as other,
        ):
            await book(api, office)
            return [(await one.next()).id, (await one.next()).id, (await other.next()).id]

    assert api.run(told()) == [head, head + 1, head + 1]


def test_streams_end_when_the_process_is_to_stop(api):
    async def told():
        async with listening(api, f"{STREAM}?after=0", by=api.operator, ends=True) as stream:
            await stream.next()
            server_sent.ENDING.has_come = True
        return stream

    try:
        stream = api.run(asyncio.wait_for(told(), 30))
    finally:
        server_sent.ENDING.has_come = False
    assert stream.status == 200


def test_a_quiet_stream_says_that_it_is_alive(api, monkeypatch):
    monkeypatch.setattr(server_sent, "HEARTBEAT_S", 0.1)

    async def told():
        async with listening(api, STREAM, by=api.operator) as stream:
            async with asyncio.timeout(20):
                while b":\n\n" not in stream.body:
                    await asyncio.sleep(0.02)

    api.run(told())


def test_a_stream_ends_when_the_database_goes_away():
    async def looks():
        yield b"data: 1\n\n"
        raise psycopg.OperationalError

    async def heard():
        return [chunk async for chunk in server_sent.EventStream(looks(), server_sent.Listeners(1)).body_iterator]

    assert asyncio.run(heard()) == [b"retry: 2000\n\n", b"data: 1\n\n"]
