"""Bookings over HTTP, single and in bulk, against a server that does nothing, all under the same load."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from domain.identifiers import make_number
from infra.bench import desk
from infra.bench.client import Said, Told
from infra.keys import KeyFiles, Keys
from infra.settings import Settings
from infra.tokens import Role, issue

START_S_MAX = 30
BULK_LINES = 500
BULK_CONNECTIONS = 4


@contextmanager
def noop_server() -> Iterator[int]:
    port = _free_port()
    with _running([sys.executable, "-P", "-c", f"from infra.bench.noop import serve; serve({port})"], port):
        yield port


@contextmanager
def mawid_server(dsn: str, folder: Path) -> Iterator[int]:
    """`mawid serve` with one worker, its offices published, its buckets wide open."""
    with desk.opened(dsn, folder):
        pass
    port = _free_port()
    told = {"DATABASE_URL": dsn, "DATA_DIR": str(folder), "PORT": str(port), "CLOCK": "request", "LOG_FORMAT": "json"}
    told |= {f"{name}_REQUESTS_PER_S": "1000000" for name in ("CITIZEN", "STAFF", "ADDRESS")}
    environment = ["env", *(f"MAWID_{name}={value}" for name, value in told.items())]
    serve = [sys.executable, "-P", "-c", "from infra.cli import main; main()", "serve"]
    with _running([*environment, *serve], port):
        yield port


def no_ops(port: int, folder: Path, seconds: float, most: int) -> Said:
    return _sent(port, folder, seconds, [_body(n) for n in range(most)], path="/v1/bookings", headers={})


def bookings(port: int, folder: Path, seconds: float, most: int) -> Said:
    return _sent(port, folder, seconds, [_body(n) for n in range(most)], path="/v1/bookings", headers=_caller(folder))


def bulk(port: int, folder: Path, seconds: float, most: int) -> Said:
    """Lines answered stand in `lines`."""
    lines = [f'{{"command":"book","key":"bulk-{n}",{_body(n)[1:]}' for n in range(most)]
    bodies = ["\n".join(lines[n : n + BULK_LINES]) for n in range(0, most, BULK_LINES)]
    headers = _caller(folder) | {"Content-Type": "application/x-ndjson"}
    return _sent(port, folder, seconds, bodies, path="/v1/commands", headers=headers, connections=BULK_CONNECTIONS)


def _body(n: int) -> str:
    every = desk.starts()
    person = {"number": make_number("citizen", n), "mobile": "+966500000001"}
    start = every[n // desk.OFFICES % len(every)]
    booking = {"office": desk.office_of(n), "service": desk.SERVICE, "starts_at": f"{start:%Y-%m-%dT%H:%M}"}
    return json.dumps(booking | {"beneficiary": person, "channel": "portal"}, separators=(",", ":"))


def _caller(folder: Path) -> dict[str, str]:
    keys = Keys.open(KeyFiles.named_in(Settings.load({"MAWID_DATA_DIR": str(folder)})))
    token = issue(keys, Role.OPERATOR, lifetime_s=3600, now=time.time())
    return {"Authorization": f"Bearer {token}", "Mawid-Now": desk.AT.isoformat()}


def _sent(
    port: int,
    folder: Path,
    seconds: float,
    bodies: list[str],
    *,
    path: str,
    headers: dict[str, str],
    connections: int | None = None,
) -> Said:
    told = Told(port, seconds, path, {"Content-Type": "application/json"} | headers, bodies)
    if connections is not None:
        told.connections = connections
    file = folder / "requests.json"
    file.write_bytes(msgspec.json.encode(told))
    client = [sys.executable, "-P", "-c", "from infra.bench.client import main; main()", str(file)]
    run = subprocess.run(client, capture_output=True, check=True, timeout=seconds + 60)
    said = msgspec.json.decode(run.stdout, type=Said)
    if set(said.statuses) - {"200", "201"}:
        raise RuntimeError(f"answers that a quiet server does not give: {said.statuses}")
    return said


@contextmanager
def _running(command: list[str], port: int) -> Iterator[None]:
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            until = time.monotonic() + START_S_MAX
            while not _listens(port):
                if process.poll() is not None or time.monotonic() > until:
                    raise RuntimeError(f"the server on port {port} did not start")
                time.sleep(0.05)
            yield
        finally:
            process.terminate()


def _listens(port: int) -> bool:
    with socket.socket() as trial:
        return trial.connect_ex(("127.0.0.1", port)) == 0


def _free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        port: int = trial.getsockname()[1]
        return port
