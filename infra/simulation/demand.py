"""How many people come when, what they want, and what becomes of it: the fitted load model, ready to be drawn from."""

from bisect import bisect
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from random import Random
from typing import Generic, NamedTuple, TypeVar

from domain.opening_hours import slots_of
from domain.policy import AUDIENCES, Policy
from infra.catalogue import LoadModel, ServiceRow

T = TypeVar("T")

HOUR_S, DAY_S = 3_600, 86_400

#: Of the places that open, those somebody would like to have. Inferred: the article tells of no free places.
WANTED_SHARE = 0.92
#: Inferred: what a civil affairs office is asked for most. Services that are not electronic are had at the counter
#: only; the rest of the catalogue is left to the counters' queues.
SERVICE_WEIGHTS = {
    "SV-CA-02": 30,  # renew a national ID, 15 minutes
    "SV-CA-01": 13,  # first national ID, 30
    "SV-CA-09": 12,  # add a newborn, 15
    "SV-CA-06": 10,  # family record, 15
    "SV-CA-10": 7,  # register a birth, 15
    "SV-CA-03": 6,  # replace a damaged ID, 15
    "SV-CA-08": 5,  # replace a family record, 15
    "SV-CA-11": 4,  # birth certificate, 15
    "SV-CA-04": 4,  # replace a lost ID, 30
    "SV-CA-23": 3,  # photo, 15
    "SV-CA-22": 2,  # marital status, 15
    "SV-CA-20": 2,  # occupation, 15
    "SV-CA-14": 1,  # death certificate, 15
    "SV-CA-18": 1,  # correct a name, 30, at the counter only
    "SV-CA-27": 1,  # nationality, 45, at the counter only
}


class Service(NamedTuple):
    service: str
    slots: int


class Weighted(Generic[T]):
    """A draw among values by weights, which need not sum to 1."""

    def __init__(self, chance: Random, weights: Iterable[tuple[T, float]]) -> None:
        self._random = chance.random
        self._values: list[T] = []
        self._sums: list[float] = []
        total = 0.0
        for value, weight in weights:
            total += weight
            self._values.append(value)
            self._sums.append(total)
        self._total = total

    def draw(self) -> T:
        return self._values[bisect(self._sums, self._random() * self._total)]


class Demand:
    def __init__(self, model: LoadModel, policy: Policy, services: Sequence[ServiceRow], chance: Random) -> None:
        self._model = model
        self._chance = chance
        self._hours = Weighted(chance, enumerate(model.hour_share))
        leads = model.lead_day_share[: policy.horizon_days + 1]
        self._leads = Weighted(chance, enumerate(leads))
        self._services = _by_caller(services, chance)
        self._channels = _channels(model, chance)
        self._left_at_cancel = ((0.0, 0.0), *model.lead_left_at_cancel, (1.0, 1.0))
        self._cancel_share = [model.cancel_share(timedelta(days=lead)) for lead in range(len(leads) + 1)]
        cancelled = sum(share * gone for share, gone in zip(leads, self._cancel_share, strict=False)) / sum(leads)
        electronic = [service for service in services if service.electronic and service.service in SERVICE_WEIGHTS]
        slots = sum(slots_of(service.minutes) * SERVICE_WEIGHTS[service.service] for service in electronic)
        places = slots / sum(SERVICE_WEIGHTS[service.service] for service in electronic) * (1 - cancelled)
        self._bookings_per_place = WANTED_SHARE / places

    def arrivals(self, today: date, places_a_week: float) -> list[int]:
        """When people come today, in seconds after midnight, in order."""
        wanted = places_a_week * self._bookings_per_place * self._model.share_of_weekday(today)
        count = int(wanted + self._chance.random())
        random, draw = self._chance.random, self._hours.draw
        return sorted([int((draw() + random()) * HOUR_S) for _ in range(count)])

    def channel(self, *, is_open: bool) -> str:
        return self._channels[is_open].draw()

    def service(self, kind: str, channel: str) -> Service:
        return self._services[kind, channel == "counter"].draw()

    def lead_days(self) -> int:
        return self._leads.draw()

    def cancelled_after(self, lead_s: int) -> int | None:
        """Seconds from the booking to its cancellation; None: it is kept."""
        if self._chance.random() >= self._cancel_share[lead_s // DAY_S]:
            return None
        quantile = self._chance.random()
        left = next(
            low_left + (left - low_left) * (quantile - low) / (high - low)
            for (low, low_left), (high, left) in zip(self._left_at_cancel, self._left_at_cancel[1:], strict=False)
            if quantile <= high
        )
        return int(lead_s * (1 - left))

    def is_missed(self, lead_days: int) -> bool:
        """Whether nobody comes to a visit that was last booked or moved so many days before."""
        return self._chance.random() < self._model.no_show_share(lead_days)

    def is_changed(self, changes: int) -> bool:
        """Whether a booking that was changed so many times is changed once more."""
        model = self._model
        share = model.reschedule_share if changes == 0 else model.reschedules_mean / model.reschedule_share - 1
        return self._chance.random() < share


def _by_caller(services: Sequence[ServiceRow], chance: Random) -> dict[tuple[str, bool], Weighted[Service]]:
    """(kind of number, at the counter) → what such a person comes for."""
    wanted = [service for service in services if service.needs_visit and service.service in SERVICE_WEIGHTS]
    return {
        (kind, at_counter): Weighted(
            chance,
            [
                (Service(service.service, slots_of(service.minutes)), SERVICE_WEIGHTS[service.service])
                for service in wanted
                if kind in AUDIENCES[service.audience] and (at_counter or service.electronic)
            ],
        )
        for kind in ("citizen", "resident")
        for at_counter in (False, True)
    }


def _channels(model: LoadModel, chance: Random) -> tuple[Weighted[str], Weighted[str]]:
    """While the offices are closed, and while they are open: all that kiosks and counters book falls then."""
    shares = dict(model.channel_share)
    open_share = sum(model.weekday_share[:5]) * sum(model.hour_share[8:14])
    on_site = {channel: shares[channel] / open_share for channel in ("kiosk", "counter")}
    remote = (1 - sum(on_site.values())) / (shares["portal"] + shares["sms"])
    remotely = {channel: shares[channel] * remote for channel in ("portal", "sms")}
    return Weighted(chance, remotely.items()), Weighted(chance, (remotely | on_site).items())
