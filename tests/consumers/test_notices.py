"""Which facts are told, and when telling them makes no sense any more."""

from datetime import timedelta

import pytest

from consumers.notices import Kind, Notice, Outdated, notice_of, outdated, reminder_of
from tests.consumers.conftest import BEFORE, NINE, TEN

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


def judged(notice, story, now=BEFORE):
    return outdated(notice, story.facts, now, late_after=2 * DAY)


@pytest.mark.parametrize(
    ("tell", "kind"),
    [
        (lambda story: story.book(), Kind.CONFIRMATION),
        (lambda story: story.move(TEN), Kind.CHANGE),
        (lambda story: story.cancel(), Kind.CANCELLATION),
        (lambda story: story.displace(TEN), Kind.DISPLACEMENT),
        (lambda story: story.displace(None), Kind.UNPLACED),
        (lambda story: story.offer(BEFORE + HOUR), Kind.OFFER),
    ],
)
def test_a_fact_becomes_one_message_to_its_person(story, tell, kind):
    told = tell(story)

    notices = [notice for fact in story.facts if (notice := notice_of(fact)) is not None]

    assert notices == [Notice(told.position, kind, "P1", "B1")]


def test_a_visit_and_imported_history_are_nobodys_message(story):
    facts = [story.book(judged_by="dates"), story.check_in()]

    assert [notice_of(fact) for fact in facts] == [None, None]


def test_each_start_a_booking_is_given_is_reminded_of(story):
    facts = [story.book(), story.move(TEN), story.displace(NINE), story.cancel()]

    reminders = [reminder_of(fact) for fact in facts]

    assert [reminder and reminder.position for reminder in reminders] == [fact.position for fact in facts[:3]] + [None]


def test_what_a_later_fact_says_otherwise_is_not_told(story):
    confirmation, change = notice_of(story.book()), notice_of(story.move(TEN))
    cancellation = notice_of(story.cancel())

    verdicts = [judged(notice, story) for notice in (confirmation, change, cancellation)]

    assert verdicts == [Outdated.SUPERSEDED, Outdated.SUPERSEDED, None]


def test_a_displacement_that_its_person_has_answered_is_not_told(story):
    story.book()
    unplaced = notice_of(story.displace(None))
    assert judged(unplaced, story) is None

    story.move(TEN)

    assert judged(unplaced, story) == Outdated.SUPERSEDED


@pytest.mark.parametrize(
    ("then", "verdict"),
    [
        (lambda story: None, None),
        (lambda story: story.cancel(), Outdated.ENDED),
        (lambda story: story.move(TEN), Outdated.SUPERSEDED),
        (lambda story: story.displace(None), Outdated.SUPERSEDED),
        (lambda story: story.check_in(), Outdated.ENDED),
    ],
)
def test_nobody_is_reminded_of_what_is_not_to_be(story, then, verdict):
    reminder = reminder_of(story.book())

    then(story)

    assert judged(reminder, story, NINE - DAY) == verdict


def test_nothing_is_told_of_a_visit_once_it_has_begun(story):
    fact = story.book()
    notices = [notice_of(fact), reminder_of(fact), notice_of(story.cancel())]

    assert [judged(notice, story, NINE) for notice in notices[2:]] == [Outdated.PAST]
    story.facts.pop()
    assert [judged(notice, story, NINE) for notice in notices[:2]] == [Outdated.PAST, Outdated.PAST]


def test_news_of_ones_own_doing_goes_stale_and_a_displacement_does_not(story):
    confirmation = notice_of(story.book())

    assert judged(confirmation, story, BEFORE + 2 * DAY) is None
    assert judged(confirmation, story, BEFORE + 2 * DAY + HOUR) == Outdated.LATE
    displacement = notice_of(story.displace(TEN))
    assert judged(displacement, story, BEFORE + 3 * DAY) is None


def test_an_offer_is_told_while_it_can_be_accepted(story):
    story.join()
    first = notice_of(story.offer(BEFORE + 2 * HOUR))

    assert judged(first, story) is None
    assert judged(first, story, BEFORE + 2 * HOUR) == Outdated.PAST
    story.leave("declined")
    assert judged(first, story) == Outdated.ENDED
