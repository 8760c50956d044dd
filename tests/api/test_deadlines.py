import asyncio

import pytest

from api.deadlines import Deadlines
from api.services import Limits
from tests.api.scripted import App


async def waiting(deadlines, *, lifts=False):
    """What becomes of a request that waits for ever."""
    task = asyncio.current_task()
    deadlines.begin(task)
    if lifts:
        deadlines.lift(task)
    try:
        await asyncio.wait_for(asyncio.Event().wait(), 0.2)
    except TimeoutError:
        return "waited"
    except asyncio.CancelledError:
        return "over" if deadlines.was_over(task) else "cancelled"
    finally:
        deadlines.lift(task)


def test_every_request_that_lasts_too_long_is_ended_and_no_other():
    async def several():
        deadlines = Deadlines(0.05)
        requests = [waiting(deadlines), waiting(deadlines, lifts=True), waiting(deadlines)]
        return await asyncio.gather(*requests)

    assert asyncio.run(several()) == ["over", "waited", "over"]


def test_a_later_request_has_its_whole_time():
    async def staggered():
        deadlines = Deadlines(0.05)
        loop, ends = asyncio.get_running_loop(), []

        async def request():
            began = loop.time()
            outcome = await waiting(deadlines)
            ends.append((outcome, loop.time() - began >= 0.05))

        first = asyncio.create_task(request())
        await asyncio.sleep(0.02)
        await asyncio.gather(first, request())
        return ends

    assert asyncio.run(staggered()) == [("over", True), ("over", True)]


def test_a_cancellation_from_elsewhere_is_no_deadline():
    async def cancelled():
        request = asyncio.create_task(waiting(Deadlines(10)))
        await asyncio.sleep(0)
        request.cancel()
        return await request

    assert asyncio.run(cancelled()) == "cancelled"


def test_another_loop_has_deadlines_too():
    deadlines = Deadlines(0.05)

    assert [asyncio.run(waiting(deadlines)) for _ in range(2)] == ["over", "over"]


def test_a_server_that_cancels_a_request_is_obeyed():
    app = App()
    app.desk.is_silent = True

    async def left_alone():
        request = asyncio.create_task(app.calling("POST", f"/v1/bookings/{'0' * 20}/cancel"))
        await app.desk.is_asked.wait()
        request.cancel()
        await request

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(left_alone())


def test_an_answer_that_has_begun_may_take_its_time():
    app = App(limits=Limits(request_s_max=0.05))
    line = b'{"command": "cancel", "key": "k", "booking": "x"}\n'
    headers = [(b"authorization", b"Bearer operator"), (b"content-type", b"application/x-ndjson")]
    sent = []

    async def receive():
        return {"type": "http.request", "body": line * 600}

    async def slowly(message):
        sent.append(message)
        if message["type"] == "http.response.body":
            await asyncio.sleep(0.06)

    scope = {"type": "http", "method": "POST", "path": "/v1/commands", "query_string": b"", "headers": headers}
    asyncio.run(app.asgi(scope, receive, slowly))

    assert sent[0]["status"] == 200
    assert b"".join(message.get("body", b"") for message in sent[1:]).count(b"\n") == 600
