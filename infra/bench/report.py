"""The figures of a run in lines for people: median, least and most of the rounds."""

import statistics
from collections.abc import Iterable, Iterator
from typing import Final

from infra.bench.rounds import Figures

#: A client that works more than this share of its time on one processor may be what is measured.
CLIENT_CPU_SHARE_MAX: Final = 0.8


def table(figures: Figures) -> Iterator[str]:
    yield f"{'variant':<52}{'per second':>12}   {'least … most':<20}processor µs each, by process"
    for name, trials in figures.trials.items():
        rates = [trial.per_s for trial in trials]
        cpu = " ".join(
            f"{process} {statistics.median(trial.cpu_us_each(process) for trial in trials):,.0f}"
            for process in trials[0].cpu_s
        )
        yield f"{name:<52}{statistics.median(rates):>12,.0f}   {f'{min(rates):,.0f} … {max(rates):,.0f}':<20}{cpu}"
    yield ""
    yield f"{'ratio, taken inside each round':<52}{'median':>12}   least … most"
    for title, ratios in figures.ratios():
        yield f"{title:<52}{statistics.median(ratios):>12.2f}   {min(ratios):.2f} … {max(ratios):.2f}"
    yield ""
    load = _spread(machine.load_average for machine in figures.machine)
    yield f"load average {load}; fdatasync of 8 kB {_spread(m.fdatasyncs_per_s for m in figures.machine)} a second"
    yield "fsync and synchronous_commit were on; after each variant of Mawid its log was held against the rules"
    for name, trials in figures.trials.items():
        share = max(trial.cpu_s.get("client", 0) / trial.seconds for trial in trials)
        if share > CLIENT_CPU_SHARE_MAX:
            yield f"{name}: the load generator was busy {share:.0%} of the time; the server may give more"


def _spread(values: Iterable[float]) -> str:
    values = list(values)
    return f"{statistics.median(values):,.1f} ({min(values):,.1f} … {max(values):,.1f})"
