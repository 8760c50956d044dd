import asyncio
from threading import Event

import pytest

from api.exchange import KEY, Exchange
from api.recent import Recent

WAIT_S = 10


def scope(query="office", **headers):
    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"path": "/v1/availability", "query_string": query.encode(), "headers": named, KEY: Exchange("r")}


async def told(recent, work, query="office"):
    return (await recent.answer(scope(query), work)).body


class Counted:
    """Answers `1`, `2`, `3`; each only when it may."""

    def __init__(self, *, may_go_on=True):
        self.times = 0
        self.has_begun, self.may_go_on = Event(), Event()
        if may_go_on:
            self.may_go_on.set()

    def __call__(self):
        self.times += 1
        self.has_begun.set()
        assert self.may_go_on.wait(WAIT_S)
        return b"%d" % self.times


def test_who_asks_within_the_time_is_told_the_same():
    recent, work = Recent(kept_s=60, answers_max=10), Counted()

    async def ask_twice():
        return [await told(recent, work), await told(recent, work)]

    assert asyncio.run(ask_twice()) == [b"1", b"1"]


def test_who_asks_after_the_time_is_told_anew():
    recent, work = Recent(kept_s=0, answers_max=10), Counted()

    async def ask_twice():
        return [await told(recent, work), await told(recent, work)]

    assert asyncio.run(ask_twice()) == [b"1", b"2"]


def test_those_who_ask_at_once_wait_for_one_answer():
    recent, work = Recent(kept_s=0, answers_max=10), Counted(may_go_on=False)

    async def ask_together():
        asking = [asyncio.create_task(told(recent, work)) for _ in range(50)]
        await asyncio.to_thread(work.has_begun.wait, WAIT_S)
        work.may_go_on.set()
        return set(await asyncio.gather(*asking))

    assert asyncio.run(ask_together()) == {b"1"}


def test_who_leaves_takes_the_answer_from_nobody_else():
    recent, work = Recent(kept_s=60, answers_max=10), Counted(may_go_on=False)

    async def one_leaves():
        first = asyncio.create_task(told(recent, work))
        await asyncio.to_thread(work.has_begun.wait, WAIT_S)
        second = asyncio.create_task(told(recent, work))
        await asyncio.sleep(0)
        first.cancel()
        work.may_go_on.set()
        return await second

    assert asyncio.run(one_leaves()) == b"1"
    assert work.times == 1


def test_a_fault_is_told_to_who_asked_and_not_kept():
    recent, work = Recent(kept_s=60, answers_max=10), Counted()

    def fails():
        raise LookupError

    async def ask_twice():
        with pytest.raises(LookupError):
            await told(recent, fails)
        return await told(recent, work)

    assert asyncio.run(ask_twice()) == b"1"


def test_the_oldest_answer_makes_room():
    recent, work = Recent(kept_s=60, answers_max=2), Counted()

    async def ask(*names):
        return [await told(recent, work, name) for name in names]

    assert asyncio.run(ask("a", "b", "c", "b", "a")) == [b"1", b"2", b"3", b"2", b"4"]


@pytest.mark.parametrize("own", ["authorization", "mawid-at-least", "mawid-now", "if-none-match"])
def test_who_asks_for_something_of_their_own_is_not_told_it_at_the_door(own):
    recent, work = Recent(kept_s=60, answers_max=2), Counted()
    asyncio.run(told(recent, work))

    assert recent.told(scope(accept="*/*")).body == b"1"
    assert recent.told(scope(**{own: "x"})) is None
    assert recent.told(scope("another office")) is None


def test_nothing_old_is_told_at_the_door():
    recent, work = Recent(kept_s=0, answers_max=2), Counted()
    asyncio.run(told(recent, work))

    assert recent.told(scope()) is None
