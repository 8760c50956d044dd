import random
from datetime import timedelta

import msgspec
import pytest

from projections import blocks
from projections.blocks import last_at
from projections.follow import Follower
from projections.projection import AsOf
from projections.totals import Totals, running_count
from tests.projections.story import EVE, Facts, play


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK_POSITIONS", 7)


def under_two_clocks(seed: int) -> Facts:
    """A history whose facts were decided for times that go on and step back, by as much as years."""
    chance = random.Random(seed)
    return [
        (position, msgspec.structs.replace(fact, at=EVE + timedelta(hours=position - chance.choice([0, 0, 3, 9000]))))
        for position, fact in play(chance, 60).facts
    ]


def last_by_hand(facts: Facts, at, upto: int) -> AsOf:
    found = [AsOf(position, fact.at) for position, fact in facts[:upto] if fact.at <= at]
    return found[-1] if found else AsOf(0, None)


@pytest.mark.parametrize("folded_events", [0, 1, 20, 1000])
def test_an_instant_is_the_last_position_decided_for_it_or_before_however_far_the_view_is(
    connection, database_url, append, small_blocks, folded_events
):
    facts = under_two_clocks(5)
    append(facts[:folded_events])
    with Follower(database_url, [Totals()], page_events_max=5) as follower:
        follower.catch_up()
    append(facts[folded_events:])
    instants = {fact.at for _, fact in facts}
    instants |= {at - timedelta(microseconds=1) for at in instants} | {EVE + timedelta(days=999)}

    for at in instants:
        for upto in (0, 1, 6, 7, 8, len(facts) // 2, len(facts)):
            assert last_at(connection, at, upto=upto) == last_by_hand(facts, at, upto)


def test_without_a_view_the_log_itself_is_asked(connection, append):
    facts = under_two_clocks(6)
    append(facts)

    assert last_at(connection, facts[30][1].at, upto=len(facts)) == last_by_hand(facts, facts[30][1].at, len(facts))


def test_the_running_count_is_told_as_of_every_position(connection, append, follow, small_blocks):
    facts = under_two_clocks(7)
    append(facts)
    follow([Totals()]).catch_up()

    counts = [running_count(connection, upto=position) for position in range(len(facts) + 1)]

    confirmed = [position for position, fact in facts if blocks.is_electronic(fact.event)]
    assert counts == [len([one for one in confirmed if one <= position]) for position in range(len(facts) + 1)]
    assert counts[-1] == running_count(connection) > 0
