"""A client of server-sent events, which hears one after another and goes away when it has heard enough."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from tests.api.client import Api


class Heard(NamedTuple):
    name: str | None
    id: int
    data: Any


class Listening:
    def __init__(self) -> None:
        self.status = 0
        self.begun = asyncio.Event()
        self.headers: dict[str, str] = {}
        self.body = b""  # of an answer that is no stream
        self._blocks: asyncio.Queue[bytes] = asyncio.Queue()
        self._cut = b""

    async def next(self, *, wait_s: float = 20) -> Heard:
        while True:
            block = await asyncio.wait_for(self._blocks.get(), wait_s)
            fields = dict(line.split(b": ", 1) for line in block.splitlines() if b": " in line)
            if b"data" in fields:
                name = fields[b"event"].decode() if b"event" in fields else None
                return Heard(name, int(fields[b"id"]), json.loads(fields[b"data"]))

    def take(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.begun.set()
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            return
        self.body += message["body"]
        *whole, self._cut = (self._cut + message["body"]).split(b"\n\n")
        for block in whole:
            self._blocks.put_nowait(block)


@asynccontextmanager
async def listening(
    api: Api, path: str, *, by: str, headers: Sequence[tuple[str, str]] = (), ends: bool = False
) -> AsyncIterator[Listening]:
    """`ends`: by itself, which is waited for on leaving."""
    heard, gone, asked = Listening(), asyncio.Event(), False
    told = [("Authorization", f"Bearer {by}"), *headers]
    path, _, query = path.partition("?")

    async def receive() -> dict[str, Any]:
        nonlocal asked
        if not asked:
            asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        heard.take(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(name.lower().encode(), value.encode()) for name, value in told],
        "client": None,
    }
    task = asyncio.create_task(api.app(scope, receive, send))
    try:
        yield heard
    finally:
        if not ends:
            gone.set()
        await asyncio.wait_for(task, 20)
