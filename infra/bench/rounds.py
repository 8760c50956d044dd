"""Rounds of interleaved variants, and the ratios taken inside each round."""

import os
import statistics
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from infra.bench import desk, ground, limit, over_http, stock
from infra.postgres import EmbeddedDatabase

CALLERS: Final = (1, 32, 256, 1024)
#: Commands prepared for a second of a variant: more than this machine decides.
PREPARED_PER_S: Final = 20_000
PREPARED_OVER_HTTP_PER_S: Final = 12_000


@dataclass
class Figures:
    """Name → one figure a round."""

    rates: dict[str, list[float]] = field(default_factory=dict)
    load: list[float] = field(default_factory=list)
    fdatasyncs: list[float] = field(default_factory=list)

    def add(self, name: str, rate: float) -> None:
        self.rates.setdefault(name, []).append(rate)

    def ratio(self, above: str, below: str) -> list[float]:
        return [one / other for one, other in zip(self.rates[above], self.rates[below], strict=True)]

    def ratios(self) -> Iterator[tuple[str, list[float]]]:
        for title, above, below in RATIOS:
            if above in self.rates and below in self.rates:
                yield title, self.ratio(above, below)


RATIOS: Final = (
    ("in process, 1,024 callers ÷ L", "desk, 1024 callers", "L: batches of 1,000"),
    ("in process, 32 callers ÷ stock library, 32 threads", "desk, 32 callers", "stock library, 32 threads"),
    ("in process, 1 caller ÷ stock library, 1 thread", "desk, 1 caller", "stock library, 1 thread"),
    ("HTTP single bookings ÷ FastAPI no-op POST", "HTTP, single bookings", "HTTP, no-op POST"),
    ("NDJSON ÷ HTTP single bookings", "HTTP, NDJSON lines", "HTTP, single bookings"),
)


def run(rounds: int, seconds: float, *, with_http: bool = True, told: Callable[[str], None]) -> Figures:
    """Every variant once in each round, each on a database of its own. RuntimeError if one broke a rule."""
    figures = Figures()
    with ground.durable_server() as (server, folder):
        for number in range(1, rounds + 1):
            figures.load.append(os.getloadavg()[0])
            figures.fdatasyncs.append(ground.fdatasyncs_per_s(folder))
            with ground.fresh_database(server, migrated=False) as dsn:
                figures.add("L: batches of 1,000", limit.events_per_s(dsn, seconds))
            for threads in (1, 32):
                with ground.fresh_database(server, migrated=False) as dsn:
                    name = f"stock library, {threads} thread{'s' if threads > 1 else ''}"
                    figures.add(name, stock.bookings_per_s(dsn, threads, seconds))
            for callers in CALLERS:
                with ground.fresh_database(server, migrated=True) as dsn:
                    name = f"desk, {callers} caller{'s' if callers > 1 else ''}"
                    most = int(seconds * PREPARED_PER_S)
                    keys = folder / f"{number}-{callers}"
                    figures.add(name, desk.bookings_per_s(dsn, keys, callers, seconds, most))
            if with_http:
                _over_http(figures, server, folder / f"{number}-http", seconds)
            told(f"round {number} of {rounds}")
    return figures


def _over_http(figures: Figures, server: EmbeddedDatabase, folder: Path, seconds: float) -> None:
    folder.mkdir()
    most = int(seconds * PREPARED_OVER_HTTP_PER_S)
    with over_http.noop_server() as port:
        said = over_http.no_ops(port, folder, seconds, most)
        figures.add("HTTP, no-op POST", said.requests / said.seconds)
    for name, send in (("HTTP, single bookings", over_http.bookings), ("HTTP, NDJSON lines", over_http.bulk)):
        with ground.fresh_database(server, migrated=True) as dsn:
            keys = folder / name.rpartition(" ")[2]
            with over_http.mawid_server(dsn, keys) as port:
                said = send(port, keys, seconds, most)
            figures.add(name, (said.lines or said.requests) / said.seconds)
            desk.refuse_breach(dsn)


def table(figures: Figures) -> Iterator[str]:
    """Figures in lines for people: median, least and most of the rounds."""
    yield f"{'variant':<52}{'per second':>12}   least … most"
    for name, rates in figures.rates.items():
        yield f"{name:<52}{statistics.median(rates):>12,.0f}   {min(rates):,.0f} … {max(rates):,.0f}"
    yield ""
    yield f"{'ratio, taken inside each round':<52}{'median':>12}   least … most"
    for title, ratios in figures.ratios():
        yield f"{title:<52}{statistics.median(ratios):>12.2f}   {min(ratios):.2f} … {max(ratios):.2f}"
    yield ""
    yield f"load average {_spread(figures.load)}; fdatasync of 8 kB {_spread(figures.fdatasyncs)} a second"
    yield "fsync and synchronous_commit were on; after each variant the log was held against the rules"


def _spread(values: Iterable[float]) -> str:
    values = list(values)
    return f"{statistics.median(values):,.1f} ({min(values):,.1f} … {max(values):,.1f})"
