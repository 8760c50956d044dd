"""Answers that everybody may read and that many ask for at once: worked out now and then, and told to all in between.

However many ask, one answer is worked out once in `kept_s`, and those who come meanwhile wait for it together.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Hashable
from time import monotonic
from typing import NamedTuple

from starlette.concurrency import run_in_threadpool

from api.services import Limits


class _Answer(NamedTuple):
    body: bytes
    at_s: float  # by the monotonic clock, when the work on it began


class Recent:
    def __init__(self, kept_s: float, answers_max: int) -> None:
        self._kept_s = kept_s
        self._answers_max = answers_max
        self._answers: OrderedDict[Hashable, _Answer] = OrderedDict()
        self._works: dict[Hashable, asyncio.Task[bytes]] = {}

    @classmethod
    def within(cls, limits: Limits) -> "Recent":
        return cls(limits.availability_kept_ms / 1000, limits.availability_answers_max)

    async def answer(self, asked: Hashable, work_out: Callable[[], bytes]) -> bytes:
        """`work_out` runs on a thread of its own; what it raises is raised here, and nothing of it is kept."""
        answer = self._answers.get(asked)
        if answer is not None and monotonic() - answer.at_s < self._kept_s:
            return answer.body
        work = self._works.get(asked)
        if work is None:
            work = self._works[asked] = asyncio.create_task(self._work(asked, work_out))
            work.add_done_callback(lambda _: self._works.pop(asked, None))
        return await asyncio.shield(work)  # who leaves takes it from nobody else

    async def _work(self, asked: Hashable, work_out: Callable[[], bytes]) -> bytes:
        began_s = monotonic()
        body = await run_in_threadpool(work_out)
        self._answers[asked] = _Answer(body, began_s)
        self._answers.move_to_end(asked)
        while len(self._answers) > self._answers_max:
            self._answers.popitem(last=False)
        return body
