"""The servers that messages are sent to: real ones, of the test's own."""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Thread

from aiosmtpd.controller import Controller

from infra.kafka.jars import jars_in, whole
from infra.kafka.java import find_java
from infra.settings import Settings

_JARS = Path(__file__).with_name("smpp-jars.txt")


class Mailbox:
    """What an SMTP server has taken, and whom it refuses. aiosmtpd calls its methods."""

    def __init__(self):
        self.letters = []
        self.refused = {}  # address → answer
        self.drop_next = False

    async def handle_RCPT(self, _server, _session, envelope, address, _options):  # noqa: N802 - the library's name
        if address in self.refused:
            return self.refused[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, _session, envelope):  # noqa: N802
        if self.drop_next:
            self.drop_next = False
            server.transport.abort()
            return "421 gone"
        self.letters.append(envelope)
        return "250 taken"


@contextmanager
def smtp_server(mailbox: Mailbox, **options) -> Iterator[int]:
    """The port it listens on."""
    controller = Controller(mailbox, hostname="127.0.0.1", port=free_port(), **options)
    controller.start()
    try:
        yield controller.port
    finally:
        controller.stop(no_assert=True)


@contextmanager
def http_receiver() -> Iterator[tuple[int, list[bytes]]]:
    """The port it listens on, and the bodies it has been sent."""
    bodies: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Says nothing on the terminal."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1], bodies
    finally:
        server.shutdown()
        server.server_close()


class Simulator:
    """jsmpp's SMPP server: takes every message over, sends a receipt of each, and a message of its own to who binds.

    It takes one session after another, and ends when one is gone before that message: each test has its own.
    """

    def __init__(self, log: Path) -> None:
        self.port = free_port()
        self._log = log
        repository = Settings.load({}).kafka.maven_repository.expanduser()
        jars = ":".join(map(str, whole(jars_in(_JARS.read_text()), repository)))
        self._command = [str(find_java()), "-Xmx96m", "-XX:TieredStopAtLevel=1"]
        self._command += [f"-Djsmpp.simulator.port={self.port}", "-cp", jars, "org.jsmpp.examples.SMPPServerSimulator"]
        self.start()

    def start(self) -> None:
        with self._log.open("w") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        deadline = time.monotonic() + 30
        while "Listening on port" not in self._log.read_text():  # to look by connecting would be a session
            assert self._process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


@contextmanager
def raw_server(said: bytes) -> Iterator[int]:
    """Says the same to whoever calls, whatever they say, and hangs up."""

    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(4096)
            self.request.sendall(said)

    with ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
