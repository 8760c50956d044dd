"""A year of one office, 20 times: at every step an independent ledger of the log agrees with what was decided."""

import pytest

from domain import eligibility, fair_release, offers
from domain.displacement import _Places
from domain.errors import SlotFull
from domain.events import PlaceClaimed
from domain.slot import Slot
from domain.waiting_list import Entry, WaitingList
from tests.domain.ledger import Disagreement
from tests.domain.year import REFOLD_EVERY, live

STEPS = 2_000


@pytest.mark.parametrize("seed", range(20))
def test_a_year_of_an_office_keeps_every_rule_at_every_step(seed):
    year = live(seed, steps=STEPS)

    assert len(year.log) > STEPS


@pytest.mark.full
@pytest.mark.parametrize("seed", range(200, 204))
def test_five_years_of_an_office_keep_every_rule_at_every_step(seed):
    year = live(seed, steps=10_000)

    assert len(year.log) > 10_000


def test_the_years_meet_what_they_are_about():
    """A rule that the driver never comes near would hold for nothing."""
    years = [live(seed, steps=REFOLD_EVERY * 2) for seed in range(100, 104)]
    met = {fact.event.TOPIC.removesuffix(".v1") for year in years for fact in year.log}
    refused = {name for year in years for name in year.refusals}

    assert {"HoldExpired", "PlaceOffered", "WaitingListLeft", "OutcomeCorrected", "WalkedIn", "SlotReleased"} <= met
    assert any(fact.event.rests for year in years for fact in year.log if isinstance(fact.event, PlaceClaimed))
    assert {"banned", "slot-full", "active-booking-exists", "hold-expired", "too-late-to-cancel"} <= refused


# -- the ledger's own exam: each of these bugs has to be told ---------------------------------------------------------


def claims_are_overlooked(monkeypatch):
    monkeypatch.setattr(Slot, "refuse_unless_free", _free_by_bookings_alone)


def a_freed_place_is_nobodys(monkeypatch):
    monkeypatch.setattr(offers, "offer_freed", lambda *_, **__: None)


def the_line_has_no_order(monkeypatch):
    evolve = WaitingList.evolve

    def turned_round(self, fact):
        evolve(self, fact)
        self.entries = dict(sorted(self.entries.items()))

    monkeypatch.setattr(WaitingList, "evolve", turned_round)


def bans_are_forgotten(monkeypatch):
    monkeypatch.setattr(eligibility, "refuse_if_banned", lambda *_: None)


def a_place_in_line_is_kept_after_its_window(monkeypatch):
    monkeypatch.setattr(Entry, "waits_for", lambda self, day: self.offer is None and self.since <= day)


def a_place_goes_back_to_whoever_gave_it_up(monkeypatch):
    monkeypatch.setattr(fair_release, "refuse_own", lambda *_: None)


def the_displaced_are_put_wherever_there_is_room(monkeypatch):
    take = _Places.take

    def second_best(self, minutes):
        return take(self, minutes) and take(self, minutes)

    monkeypatch.setattr(_Places, "take", second_best)


BUGS = (
    the_displaced_are_put_wherever_there_is_room,
    claims_are_overlooked,
    a_freed_place_is_nobodys,
    the_line_has_no_order,
    bans_are_forgotten,
    a_place_in_line_is_kept_after_its_window,
    a_place_goes_back_to_whoever_gave_it_up,
)


@pytest.mark.parametrize("bug", BUGS)
def test_the_ledger_tells_a_planted_bug(bug, monkeypatch):
    bug(monkeypatch)

    with pytest.raises(Disagreement):
        _live_through(range(300, 306))


def _live_through(seeds):
    for seed in seeds:
        live(seed, steps=STEPS)


def _free_by_bookings_alone(self, booking, at):
    if booking not in self.places and len(self.places) >= self.capacity:
        raise SlotFull(self.name, self.capacity)
