"""A lean HTTP client in a process of its own: connections that send the next prepared request once answered."""

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec

CONNECTIONS = 64
_LENGTH = b"content-length: "


class Told(msgspec.Struct):
    """What the client is asked to send, as a file of this says."""

    port: int
    seconds: float
    path: str
    headers: dict[str, str]
    bodies: list[str]
    connections: int = CONNECTIONS


class Said(msgspec.Struct):
    requests: int
    seconds: float
    statuses: dict[str, int]
    cpu_share: float  # of one processor: near 1 means that the client was the bottleneck
    lines_created: int = 0  # lines of bulk answers that say 201


class _Connection(asyncio.Protocol):
    def __init__(self, run: "_Run") -> None:
        self._run = run
        self._received = b""
        self._needed = 0
        self.closed = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.closed.done():
            self.closed.set_result(exc)

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self._needed and (end := self._received.find(b"\r\n\r\n")) >= 0:
            head = self._received[:end].lower()
            if (at := head.find(_LENGTH)) >= 0:
                self._needed = end + 4 + int(head[at + len(_LENGTH) :].split(b"\r\n", 1)[0])
        is_chunked_end = not self._needed and self._received.endswith(b"0\r\n\r\n")
        if is_chunked_end or (self._needed and len(self._received) >= self._needed):
            self._run.answered(self._received)
            self._received, self._needed = b"", 0
            self._send()

    def _send(self) -> None:
        request = self._run.following()
        if request is None:
            self._transport.close()
        else:
            self._transport.write(request)


class _Run:
    def __init__(self, told: Told) -> None:
        self._requests: Iterator[bytes] = iter([_request(told, n, body) for n, body in enumerate(told.bodies)])
        self.until = time.monotonic() + told.seconds
        self.statuses: Counter[str] = Counter()
        self.lines_created = 0

    def following(self) -> bytes | None:
        return next(self._requests, None) if time.monotonic() < self.until else None

    def answered(self, received: bytes) -> None:
        self.statuses[received[9:12].decode()] += 1
        self.lines_created += received.count(b'"status":201')


def _request(told: Told, n: int, body: str) -> bytes:
    content = body.encode()
    lines = [f"POST {told.path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(content)}"]
    lines += [f"{name}: {value}" for name, value in told.headers.items()] + [f"Idempotency-Key: rush-{n}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


async def _send_all(told: Told) -> Said:
    run = _Run(told)
    loop = asyncio.get_running_loop()
    started, cpu = time.monotonic(), time.process_time()
    run.until = started + told.seconds
    made = [
        await loop.create_connection(lambda: _Connection(run), "127.0.0.1", told.port) for _ in range(told.connections)
    ]
    await asyncio.gather(*(protocol.closed for _, protocol in made))
    seconds = time.monotonic() - started
    share = (time.process_time() - cpu) / seconds
    return Said(run.statuses.total(), seconds, dict(run.statuses), share, run.lines_created)


def main() -> None:
    told = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Told)
    sys.stdout.buffer.write(msgspec.json.encode(asyncio.run(_send_all(told))))
