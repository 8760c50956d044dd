"""Answers that everybody may read and that many ask for at once: worked out now and then, and told to all in between.

However many ask, one answer is worked out once in `kept_s`, and those who come meanwhile wait for it together. Who asks
for nothing of their own is told it in front of FastAPI, whose layers cost more than the answer.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, MutableMapping
from time import monotonic
from typing import Any, Final, NamedTuple

from starlette.concurrency import run_in_threadpool

from api import clock, exchange
from api.problems import Answer
from api.revalidation import for_all
from api.routes import AT_LEAST
from api.services import Limits

#: With one of these, an answer may be another one than everybody's.
_OWN: Final = frozenset((AT_LEAST, clock.HEADER, b"authorization", b"if-none-match"))

Scope = MutableMapping[str, Any]


class _Kept(NamedTuple):
    answer: Answer
    at_s: float  # by the monotonic clock, when the work on it began


class Recent:
    def __init__(self, kept_s: float, answers_max: int) -> None:
        self._kept_s = kept_s
        self._answers_max = answers_max
        self._kept: OrderedDict[tuple[str, bytes], _Kept] = OrderedDict()  # by path and query, as they were spelt
        self._works: dict[tuple[str, bytes], asyncio.Task[Answer]] = {}

    @classmethod
    def within(cls, limits: Limits) -> "Recent":
        return cls(limits.availability_kept_ms / 1000, limits.availability_answers_max)

    def told(self, scope: Scope) -> Answer | None:
        """What others were told a moment ago, where the request asks for nothing of its own."""
        kept = self._kept.get((scope["path"], scope["query_string"]))
        if kept is None or monotonic() - kept.at_s >= self._kept_s:
            return None
        for name, _ in scope["headers"]:
            if name in _OWN:
                return None
        exchange.of(scope).route = scope["path"]
        return kept.answer

    async def answer(self, scope: Scope, work_out: Callable[[], bytes]) -> Answer:
        """`work_out` runs on a thread of its own; what it raises is raised here, and nothing of it is kept."""
        asked = scope["path"], scope["query_string"]
        kept = self._kept.get(asked)
        if kept is not None and monotonic() - kept.at_s < self._kept_s:
            return kept.answer
        work = self._works.get(asked)
        if work is None:
            work = self._works[asked] = asyncio.create_task(self._work(asked, work_out))
            work.add_done_callback(lambda _: self._works.pop(asked, None))
        return await asyncio.shield(work)  # who leaves takes it from nobody else

    async def _work(self, asked: tuple[str, bytes], work_out: Callable[[], bytes]) -> Answer:
        began_s = monotonic()
        answer = for_all(await run_in_threadpool(work_out))
        self._kept[asked] = _Kept(answer, began_s)
        self._kept.move_to_end(asked)
        while len(self._kept) > self._answers_max:
            self._kept.popitem(last=False)
        return answer
