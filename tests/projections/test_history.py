import random

from projections.history import of_booking, of_person, of_stream
from tests.projections.story import play


def test_facts_are_told_by_booking_stream_and_person_in_the_order_of_the_log(connection, append):
    story = play(random.Random(3), 80)
    append(story.facts)

    for tag, asked in (("booking", of_booking), ("originator_id", of_stream), ("person", of_person)):
        for value in {getattr(fact, tag) for _, fact in story.facts} - {None}:
            told = asked(connection, value)
            assert [(one.position, one.type, one.at, one.fact) for one in told] == [
                (position, fact.event.TOPIC, fact.at, fact)
                for position, fact in story.facts
                if getattr(fact, tag) == value
            ]
            assert all(one.recorded_at > one.at for one in told)


def test_a_history_is_told_in_parts_and_as_of_a_position(connection, append):
    story = play(random.Random(4), 80)
    append(story.facts)
    office = "office/CA-TB-01"
    whole = [one.position for one in of_stream(connection, office)]

    assert [one.position for one in of_stream(connection, office, limit=2)] == whole[:2]
    assert [one.position for one in of_stream(connection, office, after=whole[1], limit=2)] == whole[2:4]
    assert [one.position for one in of_stream(connection, office, upto=whole[2])] == whole[:3]
    assert of_booking(connection, "none") == []
