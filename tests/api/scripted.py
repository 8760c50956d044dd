"""The app with a desk that answers as it is told, for what a database would only slow down: faults, limits, times."""

import asyncio
import hashlib
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Any, NamedTuple

import httpx

from api.app import create_app
from api.edge import Edge
from api.services import Limits, Services, Unauthenticated
from domain.answers import place
from domain.commands import Book, Caller, Command, CorrectMeasurement
from domain.identifiers import booking_id, reference_for, show_reference
from domain.ports import Receipt
from infra.published_checkpoints import PublishedCheckpoints

ROLES = {
    "operator": Caller(role="operator", subject="operator"),
    "kiosk": Caller(role="kiosk", subject="k", office="O"),
}
ROLES["citizen"] = Caller(role="citizen", subject="person:1", lookup=b"someone")


class Desk:
    """Answers every command with success, unless told to raise at once, to fail later, or to say nothing."""

    def __init__(self) -> None:
        self.submitted: Any = []  # of commands
        self.raises: Exception | None = None
        self.fails: Exception | None = None
        self.is_silent = False
        self.is_asked = asyncio.Event()

    def submit_async(self, command: Command) -> "asyncio.Future[Receipt]":
        if self.raises is not None:
            raise self.raises
        self.submitted.append(command)
        self.is_asked.set()
        future: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        if self.fails is not None:
            future.set_exception(self.fails)
        elif not self.is_silent:
            future.set_result(Receipt(len(self.submitted), _answer(command), None))
        return future


class Raw(NamedTuple):
    status: int | None  # None: nothing was answered
    body: bytes
    taken: int  # chunks of the request


class App:
    def __init__(self, *, limits: Limits | None = None, **different: Any) -> None:
        self.desk = Desk()
        told: dict[str, Any] = {
            "desk": self.desk,
            "pool": nullcontext(),
            "authenticate": _authenticate,
            "command_id": lambda principal, key: _hash(f"{principal}\0{key}".encode()),
            "fingerprint": _hash,
            "lookup": lambda number: number.encode(),
            "person_of": lambda lookup: None,
            "person_file": lambda person, who, why: None,
            "keep_erasures": lambda: None,
            "booking_id": lambda command_id, index: booking_id(command_id, index, key=b"key"),
            "reference_of": lambda booking: show_reference(reference_for(booking, b"key")),
            "reference_hash": lambda reference: _hash(reference.encode()),
            "region_of": lambda office: None,
            "offices": list,
            "now": lambda: datetime(2011, 1, 1, tzinfo=UTC),
            "clock": "system",
            "checkpoints": PublishedCheckpoints(),
            "lagging": dict,
            "limits": limits or Limits(),
        }
        self.asgi = create_app(Services(**told | different))

    def call(self, method: str, path: str, *, by: str = "operator", key: str = "k", **asked: Any) -> httpx.Response:
        return asyncio.run(self.calling(method, path, by=by, key=key, **asked))

    async def calling(
        self, method: str, path: str, *, by: str = "operator", key: str = "k", client: str = "192.0.2.1", **asked: Any
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {by}", "Idempotency-Key": key} | asked.pop("headers", {})
        transport = httpx.ASGITransport(self.asgi, client=(client, 1), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://mawid") as session:
            return await session.request(method, path, headers=headers, **asked)


async def asked_raw(
    asgi: Edge,
    path: str,
    chunks: Sequence[bytes],
    headers: Sequence[tuple[bytes, bytes]],
    *,
    ends: bool = True,
) -> Raw:
    """A POST, chunk by chunk. `ends`: the last chunk is the end of the body; if not, the client is gone after it."""
    taken, sent = 0, []

    async def receive() -> dict[str, Any]:
        nonlocal taken
        if taken == len(chunks):
            return {"type": "http.disconnect"}
        taken += 1
        return {"type": "http.request", "body": chunks[taken - 1], "more_body": not ends or taken < len(chunks)}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": headers, "client": None}
    await asgi(scope, receive, send)
    status = sent[0]["status"] if sent else None
    return Raw(status, b"".join(message.get("body", b"") for message in sent[1:]), taken)


def _authenticate(token: str) -> Caller:
    if token not in ROLES:
        raise Unauthenticated("nobody")
    return ROLES[token]


def _answer(command: Command) -> dict[str, Any]:
    if isinstance(command, CorrectMeasurement):
        return {"id": command.measurement}
    if not isinstance(command, Book):
        return {"office": "O"}
    place_ = place(command.booking, "confirmed", command.office, command.service, command.starts_at, 15)
    return place_ | {"channel": command.channel, "reschedules": 0}


def _hash(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=16).digest()
