"""How many requests a caller or an address may make: token buckets, each some seconds' worth deep."""

import time
from collections.abc import Callable
from typing import Final

from api.problems import Problem, retry_after

#: Floats do not add up to a whole second.
_ROUNDING_S: Final = 1e-9


class Buckets:
    """Kept as the moment at which a key's bucket will be full again, so that a full one needs no entry."""

    def __init__(
        self, per_s: float, *, depth_s: float = 1, keys_max: int = 100_000, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._interval_s = 1 / per_s
        self._depth_s = depth_s
        self._keys_max = keys_max
        self._clock = clock
        self._full_at: dict[str, float] = {}

    def wait_s(self, key: str) -> float:
        """0: admitted, and counted. Otherwise how long until the next one would be."""
        now = self._clock()
        full_at = max(self._full_at.get(key, now), now)
        wait_s = full_at + self._interval_s - now - self._depth_s
        if wait_s > _ROUNDING_S:
            return wait_s
        self._full_at[key] = full_at + self._interval_s
        if len(self._full_at) > self._keys_max:
            self._forget(now)
        return 0.0

    def _forget(self, now: float) -> None:
        """Entries of full buckets say nothing; were all others in use, the oldest keys begin anew."""
        self._full_at = {key: full_at for key, full_at in self._full_at.items() if full_at > now}
        for key in list(self._full_at)[: len(self._full_at) - self._keys_max]:
            del self._full_at[key]


def too_many_requests(who: str, wait_s: float) -> Problem:
    return Problem("too-many-requests", f"{who} asks too often", headers=[retry_after(wait_s)])
