"""The commands that come by the thousand are taken here, in front of FastAPI, whose layers cost more than a booking; so
are readings that were worked out for somebody else a moment ago.

Both doors call the same function, so they answer alike; tests/api/test_doors.py compares them.
"""

import re
from collections.abc import Mapping
from typing import Final

from api import bodies, bulk
from api.bulk import Bulk, Stream
from api.command_specs import Spec
from api.commands import BOOK, CANCEL, RESCHEDULE
from api.edge import App, Scope, Send
from api.problems import Answer
from api.recent import Recent
from api.runner import Runner

_OF_BOOKING: Final = re.compile(r"/v1/bookings/(?P<reference>[^/]+)/(?P<command>reschedule|cancel)")
_COMMANDS: Final = {"reschedule": RESCHEDULE, "cancel": CANCEL}


class Door:
    def __init__(self, inner: App, runner: Runner, of_many: Bulk, recent: Recent) -> None:
        self._inner = inner
        self._runner = runner
        self._bulk = of_many
        self._recent = recent

    async def __call__(self, scope: Scope, receive: bodies.Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "POST":
            path = scope["path"]
            found = _spec_of(path)
            if found is not None:
                await reply(await self._runner.answer(*found, scope, receive), send)
                return
            if path == bulk.PATH:
                await reply(await self._bulk.answer(scope, receive), send)
                return
        elif scope["type"] == "http" and scope["method"] == "GET" and (told := self._recent.told(scope)) is not None:
            await reply(told, send)
            return
        await self._inner(scope, receive, send)


def _spec_of(path: str) -> tuple[Spec, Mapping[str, str]] | None:
    if path == BOOK.path:
        return BOOK, {}
    match = _OF_BOOKING.fullmatch(path)
    return (_COMMANDS[match["command"]], {"reference": match["reference"]}) if match is not None else None


async def reply(answer: Answer | Stream, send: Send) -> None:
    await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
    if isinstance(answer, Answer):
        await send({"type": "http.response.body", "body": answer.body})
        return
    async for chunk in answer.chunks:
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
