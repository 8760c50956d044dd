"""What a trial did, how long it took, and what each process burned for it."""

import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
_PARENT, _USER, _CHILDREN_SYSTEM = 1, 11, 14  # of /proc/<pid>/stat, counted behind the name


class Trial(msgspec.Struct, frozen=True):
    done: int
    seconds: float
    cpu_s: dict[str, float]  # process → seconds of processor, in ticks of 10 ms

    @property
    def per_s(self) -> float:
        return self.done / self.seconds

    def cpu_us_each(self, process: str) -> float:
        return self.cpu_s[process] / self.done * 1e6


class Meter:
    """Runs between `start` and `stop`. A name stands for a process and its descendants, but for those named apart."""

    def __init__(self, **processes: int) -> None:
        self._processes = processes

    def start(self) -> None:
        self._cpu_s = self._read()
        self._started = time.monotonic()

    def elapsed_s(self) -> float:
        return time.monotonic() - self._started

    def stop(self, done: int) -> Trial:
        seconds = self.elapsed_s()
        return Trial(done, seconds, {name: cpu_s - self._cpu_s[name] for name, cpu_s in self._read().items()})

    def _read(self) -> dict[str, float]:
        stats = dict(_stats())
        roots = set(self._processes.values())
        return {name: _cpu_s(root, roots - {root}, stats) for name, root in self._processes.items()}


def _cpu_s(root: int, others: set[int], stats: dict[int, list[str]]) -> float:
    """Without `others`, which count for themselves. A descendant that has ended is in the figures of who waited."""
    family, ticks = {root}, 0
    for pid in sorted(stats):  # parents first, but for a process number that has begun anew
        if pid in family or (pid not in others and int(stats[pid][_PARENT]) in family):
            family.add(pid)
            ticks += sum(map(int, stats[pid][_USER : _CHILDREN_SYSTEM + 1]))
    return ticks / _TICKS_PER_S


def _stats() -> Iterable[tuple[int, list[str]]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text("utf-8", errors="replace")
            except OSError:  # it has ended meanwhile
                continue
            yield int(entry.name), stat.rpartition(")")[2].split()
