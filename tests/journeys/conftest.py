"""A real `mawid serve`, as its users start it."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import psutil
import pytest

MAWID = Path(sys.executable).with_name("mawid")
START_S_MAX = 60


class Served:
    """One `mawid serve` with its workers, on a port and a DATA_DIR of the test's choice."""

    def __init__(self, data_dir: Path, **environ: str) -> None:
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        limits = {f"MAWID_{name}_REQUESTS_PER_S": "100000" for name in ("CITIZEN", "STAFF", "ADDRESS")}
        told = {"MAWID_DATA_DIR": str(data_dir), "MAWID_PORT": str(self.port), "MAWID_CLOCK": "request"}
        self._mawid = ["env", *(f"{name}={value}" for name, value in (told | limits | environ).items()), str(MAWID)]
        self._output = data_dir.parent / f"serve-{self.port}.txt"
        self.start()

    def start(self) -> None:
        with self._output.open("a") as output:
            self.process = subprocess.Popen(
                [*self._mawid, "serve"], stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        until = time.monotonic() + START_S_MAX
        while not self.is_ready():
            assert self.process.poll() is None, self.output()
            assert time.monotonic() < until, self.output()
            time.sleep(0.05)

    def is_ready(self) -> bool:
        try:
            return self.readiness().status_code == 200
        except httpx.TransportError:
            return False

    def readiness(self) -> httpx.Response:
        return httpx.get(f"{self.url}/health/ready", timeout=2)

    def token(self, role: str, **scope: str) -> str:
        options = [part for name, value in scope.items() for part in (f"--{name}", value)]
        return self.run("token", "--role", role, *options).stdout.splitlines()[-1]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*self._mawid, *arguments], capture_output=True, text=True, check=False)

    def kill_a_worker(self) -> int:
        """As the kernel's out-of-memory killer would: the worker, not its parent."""
        victim = next(child for child in self._children() if not {"postgres", "-c"} & {child.name(), *child.cmdline()})
        victim.kill()
        return victim.pid

    def following(self) -> list[psutil.Process]:
        """The processes that fold the views."""
        return [child for child in self._children() if "spawn_main" in " ".join(child.cmdline())]

    def _children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children()

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def output(self) -> str:
        return self._output.read_text()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """Starts servers; each is stopped with SIGTERM at the end, and has to go."""
    with ExitStack() as stops:

        def start(data_dir: str = "data", **environ: str) -> Served:
            (tmp_path / data_dir).mkdir(exist_ok=True)
            served = Served(tmp_path / data_dir, **environ)
            stops.callback(served.stop)
            return served

        yield start


def _free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return trial.getsockname()[1]
