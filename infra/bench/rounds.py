"""Rounds of interleaved variants, and the ratios taken inside each round."""

import os
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from infra.bench import desk, ground, limit, over_http, stock
from infra.bench.meter import Meter, Trial
from infra.postgres import EmbeddedDatabase

CALLERS: Final = (1, 32, 256, 1024)
#: Commands prepared for a second of a variant: more than this machine decides.
PREPARED_PER_S: Final = 20_000
PREPARED_OVER_HTTP_PER_S: Final = 12_000

L: Final = "L: batches of 1,000 events"
L_OF_BOOKINGS: Final = "L of all rows of 1,000 bookings"
MIX: Final = ", 85/10/5"  # book, cancel, reschedule
IN_USE: Final = ", whole policy in use"
HTTP: Final = "HTTP, "
NOOP, SINGLE, NDJSON = f"{HTTP}FastAPI no-op POST", f"{HTTP}single bookings", f"{HTTP}NDJSON lines"


def of_stock(threads: int) -> str:
    return f"stock library, {threads} thread{'s' if threads > 1 else ''}"


def of_desk(callers: int, *, more: str = "") -> str:
    return f"desk, {callers:,} caller{'s' if callers > 1 else ''}{more}"


RATIOS: Final = (
    ("in process, 1,024 callers ÷ L", of_desk(1024), L),
    ("in process, 1,024 callers ÷ L of all rows", of_desk(1024), L_OF_BOOKINGS),
    ("in process, 32 callers ÷ stock library, 32 threads", of_desk(32), of_stock(32)),
    ("in process, 1 caller ÷ stock library, 1 thread", of_desk(1), of_stock(1)),
    ("mix of 85/10/5 ÷ bookings only, 32 callers", of_desk(32, more=MIX), of_desk(32)),
    ("whole policy in use ÷ first rules alone, 32 callers", of_desk(32, more=IN_USE), of_desk(32)),
    ("HTTP single bookings ÷ FastAPI no-op POST", SINGLE, NOOP),
    ("NDJSON ÷ HTTP single bookings", NDJSON, SINGLE),
)


class Machine(msgspec.Struct, frozen=True):
    """Its state when a round began."""

    load_average: float
    fdatasyncs_per_s: float  # of 8 kB each


class Figures(msgspec.Struct):
    """One entry a round."""

    trials: dict[str, list[Trial]] = msgspec.field(default_factory=dict)
    machine: list[Machine] = msgspec.field(default_factory=list)

    def ratios(self) -> Iterator[tuple[str, list[float]]]:
        for title, above, below in RATIOS:
            if above in self.trials and below in self.trials:
                pairs = zip(self.trials[above], self.trials[below], strict=True)
                yield title, [one.per_s / other.per_s for one, other in pairs]


def run(rounds: int, seconds: float, *, wanted: Callable[[str], bool], told: Callable[[str], None]) -> Figures:
    """Every wanted variant once in each round, each on a database of its own. RuntimeError if one broke a rule."""
    figures = Figures()
    with ground.durable_server() as (server, folder):
        for number in range(1, rounds + 1):
            figures.machine.append(Machine(os.getloadavg()[0], ground.fdatasyncs_per_s(folder)))
            for name, trial in _variants(server, seconds):
                if wanted(name):
                    told(f"round {number} of {rounds}: {name}")
                    with tempfile.TemporaryDirectory(dir=folder) as own:
                        figures.trials.setdefault(name, []).append(trial(Path(own)))
    return figures


def _variants(server: EmbeddedDatabase, seconds: float) -> Iterator[tuple[str, Callable[[Path], Trial]]]:
    """In the order they are run: names, and what each does in an empty folder of its own."""
    postmaster = server.postmaster_pid
    assert postmaster is not None
    meter = Meter(callers=os.getpid(), PostgreSQL=postmaster)

    def on_fresh(trial: Callable[[str, Path], Trial], *, migrated: bool = True) -> Callable[[Path], Trial]:
        def run_on(folder: Path) -> Trial:
            with ground.fresh_database(server, migrated=migrated) as dsn:
                return trial(dsn, folder)

        return run_on

    def at_desk(callers: int, *, mix: bool = False, in_use: bool = False) -> Callable[[Path], Trial]:
        most = int(seconds * PREPARED_PER_S)
        race = partial(desk.trial, seconds=seconds, most=most, meter=meter, mix=mix, in_use=in_use)
        return on_fresh(lambda dsn, folder: race(dsn, folder, callers))

    def of_library(threads: int) -> Callable[[Path], Trial]:
        return on_fresh(lambda dsn, _: stock.bookings(dsn, threads, seconds, meter), migrated=False)

    yield L, on_fresh(lambda dsn, _: limit.events(dsn, seconds, meter))
    yield L_OF_BOOKINGS, on_fresh(lambda dsn, _: limit.bookings(dsn, seconds, meter))
    for threads in (1, 32):
        yield of_stock(threads), of_library(threads)
    for callers in CALLERS:
        yield of_desk(callers), at_desk(callers)
        yield of_desk(callers, more=MIX), at_desk(callers, mix=True)
    yield of_desk(32, more=IN_USE), at_desk(32, in_use=True)
    requests, lines = int(seconds * PREPARED_OVER_HTTP_PER_S), int(seconds * PREPARED_PER_S)
    yield NOOP, lambda folder: over_http.no_ops(folder, seconds, requests, postmaster)
    yield SINGLE, on_fresh(lambda dsn, folder: over_http.bookings(dsn, folder, seconds, requests, postmaster))
    yield NDJSON, on_fresh(lambda dsn, folder: over_http.bulk(dsn, folder, seconds, lines, postmaster))
