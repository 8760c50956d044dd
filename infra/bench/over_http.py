"""Bookings over HTTP, single and in bulk, against a server that does nothing, all under the same load."""

import http.client
import json
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from domain.identifiers import make_number
from infra.bench import desk
from infra.bench.client import Said, Told
from infra.bench.meter import Meter, Trial
from infra.bench.rules import refuse_breach
from infra.keys import KeyFiles, Keys
from infra.settings import Settings
from infra.tokens import Role, issue

START_S_MAX: Final = 30
STOP_S_MAX: Final = 15
BULK_LINES: Final = 500
BULK_CONNECTIONS: Final = 4


class Server(NamedTuple):
    port: int
    pid: int


# -- trials -----------------------------------------------------------------------------------------------------------


def no_ops(folder: Path, seconds: float, most: int, postmaster: int) -> Trial:
    told = Told(0, seconds, "/v1/bookings", _json({}), [_body(n) for n in range(most)])
    with _noop_server() as server:
        return _measured(server, folder, told, postmaster, _requests)


def bookings(dsn: str, folder: Path, seconds: float, most: int, postmaster: int) -> Trial:
    with _mawid_server(dsn, folder) as server:
        told = Told(0, seconds, "/v1/bookings", _json(_caller(folder)), [_body(n) for n in range(most)])
        trial = _measured(server, folder, told, postmaster, _requests)
    refuse_breach(dsn, capacity=desk.CAPACITY, accepted=Counter(book=trial.done))
    return trial


def bulk(dsn: str, folder: Path, seconds: float, most: int, postmaster: int) -> Trial:
    """A trial of lines."""
    lines = [f'{{"command":"book","key":"bulk-{n}",{_body(n)[1:]}' for n in range(most)]
    bodies = ["\n".join(lines[n : n + BULK_LINES]) for n in range(0, most, BULK_LINES)]
    with _mawid_server(dsn, folder) as server:
        headers = {"Content-Type": "application/x-ndjson", **_caller(folder)}
        told = Told(0, seconds, "/v1/commands", headers, bodies, connections=BULK_CONNECTIONS)
        trial = _measured(server, folder, told, postmaster, _lines_created)
    refuse_breach(dsn, capacity=desk.CAPACITY, accepted=Counter(book=trial.done))
    return trial


def _requests(said: Said) -> int:
    return said.requests


def _lines_created(said: Said) -> int:
    return said.lines_created


def _measured(server: Server, folder: Path, told: Told, postmaster: int, done_of: Callable[[Said], int]) -> Trial:
    told.port = server.port
    file = folder / "requests.json"
    file.write_bytes(msgspec.json.encode(told))
    meter = Meter(server=server.pid, PostgreSQL=postmaster)
    meter.start()
    client = [sys.executable, "-P", "-c", "from infra.bench.client import main; main()", str(file)]
    run = subprocess.run(client, capture_output=True, check=True, timeout=told.seconds + 60)
    said = msgspec.json.decode(run.stdout, type=Said)
    if set(said.statuses) - {"200", "201"}:
        raise RuntimeError(f"answers that a quiet server does not give: {said.statuses}")
    done = done_of(said)
    cpu_s = meter.stop(done).cpu_s | {"client": said.cpu_share * said.seconds}
    return Trial(done, said.seconds, cpu_s)


# -- requests ---------------------------------------------------------------------------------------------------------


def _body(n: int) -> str:
    every = desk.starts()
    person = {"number": make_number("citizen", n), "mobile": "+966500000001"}
    start = every[n // desk.OFFICES % len(every)]
    booking = {"office": desk.office_of(n), "service": desk.SERVICE, "starts_at": f"{start:%Y-%m-%dT%H:%M}"}
    return json.dumps(booking | {"beneficiary": person, "channel": "portal"}, separators=(",", ":"))


def _json(headers: dict[str, str]) -> dict[str, str]:
    return {"Content-Type": "application/json", **headers}


def _caller(folder: Path) -> dict[str, str]:
    keys = Keys.open(KeyFiles.named_in(Settings.load({"MAWID_DATA_DIR": str(folder)})))
    token = issue(keys, Role.OPERATOR, lifetime_s=3600, now=time.time())
    return {"Authorization": f"Bearer {token}", "Mawid-Now": desk.AT.isoformat()}


# -- servers ----------------------------------------------------------------------------------------------------------


@contextmanager
def _noop_server() -> Iterator[Server]:
    port = _free_port()
    with _running([sys.executable, "-P", "-c", f"from infra.bench.noop import serve; serve({port})"], port) as server:
        yield server


@contextmanager
def _mawid_server(dsn: str, folder: Path) -> Iterator[Server]:
    """`mawid serve` with one worker, its offices published, its buckets wide open."""
    with desk.opened(dsn, folder):
        pass
    port = _free_port()
    told = {"DATABASE_URL": dsn, "DATA_DIR": str(folder), "PORT": str(port), "CLOCK": "request", "LOG_FORMAT": "json"}
    told |= {f"{name}_REQUESTS_PER_S": "1000000" for name in ("CITIZEN", "STAFF", "ADDRESS")}
    environment = ["env", *(f"MAWID_{name}={value}" for name, value in told.items())]
    serve = [sys.executable, "-P", "-c", "from infra.cli import main; main()", "serve"]
    with _running([*environment, *serve], port) as server:
        yield server


@contextmanager
def _running(command: list[str], port: int) -> Iterator[Server]:
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            until = time.monotonic() + START_S_MAX
            while not _is_ready(port):
                if process.poll() is not None or time.monotonic() > until:
                    raise RuntimeError(f"the server on port {port} did not start")
                time.sleep(0.05)
            yield Server(port, process.pid)
        finally:
            process.terminate()
            try:
                process.wait(STOP_S_MAX)
            except subprocess.TimeoutExpired:
                process.kill()


def _is_ready(port: int) -> bool:
    """A port may be open long before the worker behind it takes a request. The no-op knows no such page: 404."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
    try:
        connection.request("GET", "/health/ready")
        return connection.getresponse().status in {200, 404}
    except OSError:
        return False
    finally:
        connection.close()


def _free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        port: int = trial.getsockname()[1]
        return port
