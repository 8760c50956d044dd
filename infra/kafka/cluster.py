"""Apache Kafka on this machine, for trials and tests: one node or several, on the loopback address alone.

Every node is broker and controller. It lives as long as whoever started it, and not a moment longer.
"""

import base64
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from infra.kafka import guard
from infra.kafka.jars import kafka_jars
from infra.kafka.java import find_java
from infra.kafka.node import LOG_FORMAT, Ports, properties
from infra.kafka.unavailable import KafkaUnavailable

ADDRESS = "127.0.0.1"
START_S_MAX = 60
#: With most of the others gone, a node waits in vain for a leader to say goodbye to.
STOP_S_MAX = 5
FORMAT_S_MAX = 60
#: Between the choice of free ports and their use another program may take one.
TRIES = 3
_LOOK_S = 0.05
_HEAP = ("-Xmx192m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


class Node:
    """One process, stopped and started at will; its ports and its data stay."""

    def __init__(self, folder: Path, settings: str, java: Sequence[str]) -> None:
        self.folder = folder
        self._java = java
        self._guard: subprocess.Popen[str] | None = None
        self.pid: int | None = None
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / "server.properties").write_text(settings)
        (folder / "log4j2.properties").write_text(LOG_FORMAT)

    @property
    def log(self) -> Path:
        return self.folder / "server.log"

    @property
    def has_ended(self) -> bool:
        return self._guard is None or self._guard.poll() is not None

    def format(self, cluster_id: str) -> None:
        """Makes its data folder, unless it is made."""
        if (self.folder / "data" / "meta.properties").exists():
            return
        arguments = [
            "kafka.tools.StorageTool",
            "format",
            "-t",
            cluster_id,
            "-c",
            str(self.folder / "server.properties"),
        ]
        done = subprocess.run(
            [*self._java, *arguments], capture_output=True, text=True, timeout=FORMAT_S_MAX, check=False
        )
        if done.returncode != 0:
            raise KafkaUnavailable(
                f"{self.folder} cannot be made a Kafka node: {_last_line(done.stdout + done.stderr)}"
            )

    def start(self) -> None:
        configured = f"-Dlog4j2.configurationFile={self.folder / 'log4j2.properties'}"
        command = [self._java[0], configured, *self._java[1:], "kafka.Kafka", str(self.folder / "server.properties")]
        with self.log.open("a") as log:
            self._guard = subprocess.Popen(
                [sys.executable, "-I", "-S", guard.__file__, str(os.getpid()), *command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd="/",
                start_new_session=True,  # Ctrl-C in the terminal does not reach it before its users
            )
        assert self._guard.stdout is not None
        with self._guard.stdout as told:
            self.pid = int(told.readline())

    def kill(self) -> None:
        """With -9, as a power cut of this node alone would."""
        self._signal(signal.SIGKILL)
        self._wait()

    def stop(self) -> None:
        self.ask_to_stop()
        self._wait()
        self.kill()

    def ask_to_stop(self) -> None:
        self._signal(signal.SIGTERM)

    def _signal(self, number: signal.Signals) -> None:
        if not self.has_ended and self.pid is not None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def _wait(self) -> None:
        if self._guard is not None:
            with suppress(subprocess.TimeoutExpired):
                self._guard.wait(STOP_S_MAX)


class Cluster:
    """Made and formatted, not started."""

    def __init__(self, folder: Path, *, nodes: int, repository: Path) -> None:
        java, jars = find_java(), kafka_jars(repository)
        command = [str(java), *_HEAP, "-cp", ":".join(map(str, jars))]
        ports = [Ports(*pair) for pair in _free_ports(nodes)]
        self.nodes = [
            Node(
                folder.resolve() / f"node-{number}",
                properties(folder.resolve() / f"node-{number}" / "data", number, ports, ADDRESS),
                command,
            )
            for number in range(1, nodes + 1)
        ]
        self.bootstrap = ",".join(f"{ADDRESS}:{each.clients}" for each in ports)
        cluster_id = _cluster_id()
        for node in self.nodes:
            node.format(cluster_id)

    def start(self) -> None:
        for node in self.nodes:
            node.start()
        self.await_ready()

    def await_ready(self) -> None:
        """Until every node answers as a part of the whole."""
        until = time.monotonic() + START_S_MAX
        while self._brokers() < len(self.nodes):
            for node in self.nodes:
                if node.has_ended:
                    raise KafkaUnavailable(f"the Kafka broker does not start: {_reason(node.log)} ({node.log})")
            if time.monotonic() > until:
                raise KafkaUnavailable(f"no Kafka broker after {START_S_MAX} s: see {self.nodes[0].log}")
            time.sleep(_LOOK_S)

    def stop(self) -> None:
        for node in self.nodes:
            node.ask_to_stop()
        for node in self.nodes:
            node.stop()

    @property
    def has_lost_a_port(self) -> bool:
        return any("BindException" in node.log.read_text(errors="replace") for node in self.nodes if node.has_ended)

    def _brokers(self) -> int:
        """How many the cluster itself says it has. An open port alone would say nothing."""
        host, _, port = self.bootstrap.partition(",")[0].partition(":")
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
            admin = KafkaAdminClient(bootstrap_servers=self.bootstrap.split(","), bootstrap_timeout_ms=2_000)
        except (OSError, KafkaError):
            return 0
        try:
            return len(admin.describe_cluster()["brokers"])
        except KafkaError:
            return 0
        finally:
            admin.close()


@contextmanager
def running_cluster(folder: Path, *, nodes: int = 1, repository: Path) -> Iterator[Cluster]:
    """A cluster that answers; it is stopped at the end, its data stays in `folder`."""
    with ExitStack() as stops:
        for left in reversed(range(TRIES)):
            cluster = Cluster(folder, nodes=nodes, repository=repository)
            stops.callback(cluster.stop)
            try:
                cluster.start()
                break
            except KafkaUnavailable:
                cluster.stop()
                if not left or not cluster.has_lost_a_port:
                    raise
        yield cluster


def _free_ports(nodes: int) -> list[tuple[int, int]]:
    trials = [socket.socket() for _ in range(2 * nodes)]
    for trial in trials:
        trial.bind((ADDRESS, 0))
    ports = [trial.getsockname()[1] for trial in trials]
    for trial in trials:
        trial.close()
    return list(zip(ports[::2], ports[1::2], strict=True))


def _cluster_id() -> str:
    while (drawn := base64.urlsafe_b64encode(os.urandom(16)).decode().rstrip("=")).startswith("-"):
        pass  # it would be read as an option
    return drawn


def _reason(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if "ERROR" in line or "Exception" in line]
    return lines[-1].strip() if lines else "it says nothing"


def _last_line(text: str) -> str:
    return text.strip().rpartition("\n")[2]
