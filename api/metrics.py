"""Running figures of one process: written by the edge in the event loop, read by whoever scrapes /metrics."""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from typing import Final

import psycopg
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector, CollectorRegistry

from api.services import Checked, Relayed, Signing

#: Upper bounds of the latency histogram, in seconds.
BOUNDS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
#: A confirmation is prompt within this time (indicator B2 of the national measurement).
PROMPT_S: Final = 2.0
#: Where a booking is confirmed to whoever waits for it. The lines of a bulk are nobody's waiting.
_CONFIRMING: Final = ("/v1/bookings", "/v1/bookings/group", "/v1/waiting-list/{entry}/accept")
_CREATED: Final = 201
_LABELS: Final = (*(f"{bound:g}" for bound in BOUNDS_S), "+Inf")


class _Latency:
    __slots__ = ("counts", "total_s")

    def __init__(self) -> None:
        self.counts = [0] * len(_LABELS)
        self.total_s = 0.0


class Metrics(Collector):
    """The client library's own counters lock and look labels up each time: this is a tenth of their cost."""

    def __init__(
        self,
        queue_depth: Callable[[], int],
        reached: Callable[[], tuple[int, Mapping[str, int]]],
        checked: Callable[[], Mapping[str, Checked]],
        signing: Callable[[], Signing],
        relayed: Callable[[], Relayed | None] = lambda: None,
    ) -> None:
        self._queue_depth = queue_depth
        self._reached = reached
        self._checked = checked
        self._signing = signing
        self._relayed = relayed
        self._requests: dict[tuple[str, str, int], int] = {}
        self._problems: dict[str, int] = {}
        self._latencies: dict[str, _Latency] = {}
        self._late: dict[tuple[str, str, int], int] = {}  # as `_requests`, those beyond PROMPT_S
        self.registry = CollectorRegistry(auto_describe=False)
        self.registry.register(self)

    def observe(self, method: str, route: str, status: int, problem: str, seconds: float) -> None:
        key = method, route, status
        self._requests[key] = self._requests.get(key, 0) + 1
        if problem:
            self._problems[problem] = self._problems.get(problem, 0) + 1
        if seconds > PROMPT_S:
            self._late[key] = self._late.get(key, 0) + 1
        latency = self._latencies.get(route)
        if latency is None:
            latency = self._latencies[route] = _Latency()
        latency.counts[bisect_left(BOUNDS_S, seconds)] += 1
        latency.total_s += seconds

    def confirmations(self) -> tuple[int, int]:
        """Bookings confirmed by calls so far, and how many of them within PROMPT_S from request to answer."""
        confirmed = late = 0
        for route in _CONFIRMING:
            key = "POST", route, _CREATED
            confirmed += self._requests.get(key, 0)
            late += self._late.get(key, 0)
        return confirmed, confirmed - late

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily]:
        requests = CounterMetricFamily("mawid_http_requests", "Requests answered", labels=["method", "route", "status"])
        for (method, route, status), count in self._requests.items():
            requests.add_metric([method, route, str(status)], count)
        yield requests
        refused = CounterMetricFamily("mawid_http_problems", "Refusals and errors answered, by name", labels=["name"])
        for name, count in self._problems.items():
            refused.add_metric([name], count)
        yield refused
        seconds = HistogramMetricFamily("mawid_http_request_seconds", "From request to answer", labels=["route"])
        for route, latency in self._latencies.items():
            seconds.add_metric([route], list(_running(latency.counts)), latency.total_s)
        yield seconds
        yield GaugeMetricFamily("mawid_desk_queue_commands", "Commands waiting at the desk", value=self._queue_depth())
        yield from self._of_the_log()

    def _of_the_log(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        """The rest is told even while the database is away: that is when it is wanted."""
        try:
            head, views = self._reached()
            checked = self._checked()
            signing = self._signing()
            relayed = self._relayed()
        except psycopg.OperationalError:
            yield GaugeMetricFamily("mawid_database_up", "Whether the database answers", value=0)
            return
        yield GaugeMetricFamily("mawid_database_up", "Whether the database answers", value=1)
        yield CounterMetricFamily("mawid_events", "Events in the log", value=head)
        lag = GaugeMetricFamily("mawid_view_lag_events", "Events a view has not folded yet", labels=["view"])
        for view, position in views.items():
            lag.add_metric([view], max(0, head - position))
        yield lag
        unsigned = max(0, head - signing.size)
        yield GaugeMetricFamily("mawid_checkpoint_lag_events", "Events no checkpoint covers yet", value=unsigned)
        refused = "Whether signing is refused: the log does not continue what was signed"
        yield GaugeMetricFamily("mawid_checkpoint_refused", refused, value=int(signing.is_refused))
        if relayed is not None:
            yield from _of_the_relay(relayed, head)
        problems = GaugeMetricFamily(
            "mawid_self_check_problem", "Whether the last self-check found the log or a view wrong", labels=["part"]
        )
        ages = GaugeMetricFamily("mawid_self_check_age_seconds", "Since the last self-check", labels=["part"])
        for part, found in checked.items():
            problems.add_metric([part], int(found.has_problem))
            ages.add_metric([part], found.age_s)
        yield problems
        yield ages


def _of_the_relay(relayed: Relayed, head: int) -> Iterator[GaugeMetricFamily]:
    known = "Position of the last fact known to be on Kafka's topic"
    yield GaugeMetricFamily("mawid_relay_position", known, value=relayed.position)
    lag = max(0, head - relayed.position)
    yield GaugeMetricFamily("mawid_relay_lag_events", "Events not known to be on Kafka's topic yet", value=lag)
    stopped = "Whether something keeps the relay from going on, such as a broker that is away"
    yield GaugeMetricFamily("mawid_relay_stopped", stopped, value=int(relayed.is_stopped))


def _running(counts: list[int]) -> Iterator[tuple[str, float]]:
    reached = 0
    for label, count in zip(_LABELS, counts, strict=True):
        reached += count
        yield label, float(reached)
