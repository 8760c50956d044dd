import random
from datetime import timedelta

import pytest

from infra.recorder import FactMapper, Factory
from infra.stream_history import UnusableStream, lines, stream_history
from tests.projections.story import EVE, Facts, play


@pytest.fixture
def facts(database_url: str) -> Facts:
    """Of a log that ends with them."""
    story, mapper = play(random.Random(8), 40), FactMapper()
    factory = Factory({"DATABASE_URL": database_url})
    factory.application_recorder().insert_events([mapper.to_stored_event(fact) for _, fact in story.facts])
    factory.close()
    return story.facts


def told(database_url, stream, **asked):
    usual = {"at": None, "at_position": None, "now": EVE, "folded_max": 1000}
    return stream_history(database_url, stream, **usual | asked)


def test_each_stream_is_told_with_all_its_facts_in_both_calendars(database_url, facts):
    for stream in {fact.originator_id for _, fact in facts}:
        history = told(database_url, stream)

        printed = "\n".join(lines(history))

        own = [(position, fact) for position, fact in facts if fact.originator_id == stream]
        if not stream.startswith("person/"):  # whose facts lie in other streams as well
            assert [fact["position"] for fact in history["facts"]] == [position for position, _ in own]
        assert all(f"{position}  {fact.event.TOPIC}  " in printed for position, fact in own)
        assert "1432 AH" in printed
        assert "١٤٣٢" in printed


def test_a_history_ends_at_the_position_or_the_instant_asked_for(database_url, facts):
    stream = "office/CA-TB-01"
    positions = [position for position, fact in facts if fact.originator_id == stream]

    then = told(database_url, stream, at_position=positions[1])

    assert [fact["position"] for fact in then["facts"]] == positions[:2]
    assert then["as_of"]["position"] == positions[1]
    assert told(database_url, stream, at=EVE - timedelta(days=9999))["facts"] == []


@pytest.mark.parametrize(
    ("stream", "asked"),
    [
        ("office/none", {}),
        ("nothing", {"at_position": 1}),
        ("slot/nonsense", {}),
        ("office/CA-TB-01", {"at_position": 10**6}),
        ("office/CA-TB-01", {"folded_max": 2}),
    ],
)
def test_what_cannot_be_told_is_said_in_a_sentence(database_url, facts, stream, asked):
    assert facts

    with pytest.raises(UnusableStream):
        told(database_url, stream, **asked)
