"""What the manifest says of the events, for a verifier to derive again: counts, the running count, the milestones."""

from typing import Any, Final

import msgspec

from domain.policy import ELECTRONIC_CHANNELS, milestone_after
from infra.export.lines import Row

COUNTERS: Final = ("made", "cancelled", "rescheduled", "served", "not_completed", "no_show")
_COUNTED: Final = {
    b"SlotBooked.v1": 0,
    b"WalkedIn.v1": 0,
    b"BookingCancelled.v1": 1,
    b"BookingMovedIn.v1": 2,
    b"OutcomeRecorded.v1": None,
    b"OutcomeCorrected.v1": None,
}
_OUTCOMES: Final = {"served": 3, "not_completed": 4, "no_show": 5}


class _Told(msgspec.Struct):
    """What the counts need of a booking's fact."""

    office: str
    service: str
    channel: str
    outcome: str | None = None
    corrected: str | None = None


_told = msgspec.json.Decoder(_Told).decode


class Tally(msgspec.Struct):
    """What some events in a row add."""

    counts: dict[str, list[int]] = {}  # "<office> <service>" → COUNTERS
    electronic: list[tuple[int, str | None, str]] = []  # first confirmations: position, booking, at

    def add(self, row: Row) -> None:
        """A fact that cannot be read counts for nothing: whoever verifies the export stops there."""
        if row.type not in _COUNTED:
            return
        try:
            told = _told(row.state)
            key = f"{told.office} {told.service}"
            if (counts := self.counts.get(key)) is None:
                counts = self.counts[key] = [0] * len(COUNTERS)
            counter = _COUNTED[row.type]
            if counter is None:
                if row.type == b"OutcomeCorrected.v1":
                    counts[_OUTCOMES[told.corrected or ""]] -= 1
                counter = _OUTCOMES[told.outcome or ""]
            counts[counter] += 1
        except (msgspec.MsgspecError, KeyError):
            return
        if row.type == b"SlotBooked.v1" and told.channel in ELECTRONIC_CHANNELS:
            booking = row.booking.decode() if row.booking is not None else None
            self.electronic.append((row.position, booking, row.at.decode()[1:-1]))


class Crossed(msgspec.Struct):
    threshold: int
    booking: str | None
    position: int
    at: str


class Figures(msgspec.Struct):
    """Also what is saved of them half-way."""

    running_count: int = 0
    milestones: list[Crossed] = []
    counts: dict[str, list[int]] = {}

    def take(self, tally: Tally) -> None:
        for key, more in tally.counts.items():
            counts = self.counts.setdefault(key, [0] * len(COUNTERS))
            counts[:] = [count + added for count, added in zip(counts, more, strict=True)]
        before, self.running_count = self.running_count, self.running_count + len(tally.electronic)
        threshold = milestone_after(before)
        while threshold <= self.running_count:
            position, booking, at = tally.electronic[threshold - before - 1]
            self.milestones.append(Crossed(threshold, booking, position, at))
            threshold = milestone_after(threshold)

    def as_told(self) -> dict[str, Any]:
        totals = [0] * len(COUNTERS)
        by_office: dict[str, list[int]] = {}
        by_service: dict[str, list[int]] = {}
        for key, counts in self.counts.items():
            office, _, service = key.partition(" ")
            for sums in (
                totals,
                by_office.setdefault(office, [0] * len(COUNTERS)),
                by_service.setdefault(service, [0] * len(COUNTERS)),
            ):
                for n, count in enumerate(counts):
                    sums[n] += count
        return {
            "running_count": self.running_count,
            "totals": dict(zip(COUNTERS, totals, strict=True)),
            "by_service": {each: dict(zip(COUNTERS, by_service[each], strict=True)) for each in sorted(by_service)},
            "by_office": {each: dict(zip(COUNTERS, by_office[each], strict=True)) for each in sorted(by_office)},
            "milestones": [msgspec.to_builtins(each) for each in self.milestones],
        }
