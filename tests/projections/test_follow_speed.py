"""Figures of the read side, printed with `-s`; each asserted with room for a busy machine."""

import time
from collections.abc import Sequence
from contextlib import closing
from statistics import quantiles
from threading import Thread

import psycopg
import pytest

from projections.follow import Follower
from projections.projection import Projection
from projections.rebuild import rebuild
from tests.projections.conftest import every_view
from tests.projections.story import rush

pytestmark = pytest.mark.full

EVENTS_PER_S_MIN = 1_000_000 / 60
RATE_PER_S = 300


def follow_from_nothing(database_url: str, views: Sequence[Projection]) -> float:
    """Seconds."""
    with closing(psycopg.connect(database_url, autocommit=True)) as connection:
        connection.execute("UPDATE view_position SET version = 0")
    started = time.perf_counter()
    with Follower(database_url, views) as follower:
        follower.catch_up()
    return time.perf_counter() - started


def test_a_million_events_are_folded_into_every_view_within_a_minute(database_url, append, capsys):
    facts = rush(70_000).facts
    append(facts)
    views = every_view()

    rates = {view.name: len(facts) / follow_from_nothing(database_url, [view]) for view in views}
    rates["all together"] = len(facts) / follow_from_nothing(database_url, views)
    rebuilt = rebuild(database_url, views, compare=True)

    with capsys.disabled():
        print(f"\n{len(facts):,} events; followed events/s:", {name: f"{rate:,.0f}" for name, rate in rates.items()})  # noqa: T201
        print(f"rebuilt together in {rebuilt[0].seconds:.1f} s, compared in {rebuilt[0].compared_s:.1f} s")  # noqa: T201
    assert all(one.equal for one in rebuilt)
    assert rates["all together"] > EVENTS_PER_S_MIN
    assert len(facts) / rebuilt[0].seconds > EVENTS_PER_S_MIN


def test_a_fact_is_in_all_views_within_milliseconds(connection, database_url, append, follow, capsys):
    facts = rush(1_000, offices=2).facts
    base = len(facts) - 5 * RATE_PER_S
    append(facts[:base])
    follow().catch_up()
    seen: dict[int, float] = {}

    def watch() -> None:
        with closing(psycopg.connect(database_url, autocommit=True)) as watching:
            position = base
            while position < len(facts):
                (now_at,) = watching.execute("SELECT min(position) FROM view_position").fetchone() or (0,)
                seen.update(dict.fromkeys(range(position + 1, now_at + 1), time.perf_counter()))
                position = now_at
                time.sleep(0.0005)

    watcher = Thread(target=watch)
    watcher.start()
    appended: dict[int, float] = {}
    began = time.perf_counter()
    for n, one in enumerate(facts[base:]):
        time.sleep(max(0.0, began + n / RATE_PER_S - time.perf_counter()))
        appended[one[0]] = time.perf_counter()
        append([one])
    watcher.join()

    latencies_ms = [1000 * (seen[position] - at) for position, at in appended.items()]
    cuts = quantiles(latencies_ms, n=100)
    with capsys.disabled():
        print(f"\nfrom the insert to all views at {RATE_PER_S}/s: p50 {cuts[49]:.1f} ms, p99 {cuts[98]:.1f} ms")  # noqa: T201
    assert cuts[49] < 50
