"""A consumer goes on whatever comes, and forgets nothing that it has polled."""

from threading import Event

from structlog.testing import capture_logs

from consumers.loop import EffectFailed, InboxAway, Loop
from domain.ports import TopicUnavailable
from tests.consumers.test_reading import At


class Polls:
    """What each poll brings; after the last the loop is told to stop."""

    def __init__(self, *polls):
        self.polls, self.stopping = list(polls), Event()

    def poll(self):
        found = self.polls.pop(0)
        if not self.polls:
            self.stopping.set()
        if isinstance(found, Exception):
            raise found
        return found


class Inbox:
    """Its effect fails for some, as often as told; it is away for some of its calls."""

    def __init__(self, fails=None, away=0):
        self.fails, self.away = dict(fails or {}), away
        self.taken, self.parked, self.tries = [], [], 0

    def take(self, batch):
        self.tries += 1
        if self.away:
            self.away -= 1
            raise InboxAway
        for each in batch:
            if self.fails.get(each.record.offset, 0):
                self.fails[each.record.offset] -= 1
                raise EffectFailed("Odd")
        self.taken += [each.record.offset for each in batch]

    def park(self, one, why):
        self.parked.append((one.record.offset, why))

    def publish_parked(self):
        """Nothing to tell here."""


def at(*offsets):
    return [At(b"", offset=each) for each in offsets]


def run(inbox, *polls):
    source = Polls(*polls, [])
    Loop(source, inbox, source.stopping, attempts_max=3, message_bytes_max=10).run()
    return inbox


def test_what_fails_for_good_is_parked_after_its_attempts_and_holds_nobody_up():
    inbox = run(Inbox(fails={2: 99}), at(1, 2, 3), at(4))

    assert (inbox.taken, inbox.parked) == ([1, 3, 4], [(2, "Odd")])
    assert inbox.fails[2] == 99 - 4  # with the others, and three times alone


def test_what_fails_once_is_taken_after_all():
    inbox = run(Inbox(fails={2: 2}), at(1, 2, 3))

    assert (inbox.taken, inbox.parked) == ([1, 2, 3], [])


def test_a_database_that_is_away_is_asked_the_same_again_before_more_is_polled():
    inbox = run(Inbox(away=3), at(1, 2), at(3))

    assert (inbox.taken, inbox.tries) == ([1, 2, 3], 5)


def test_a_topic_that_is_away_is_told_of_once_and_polled_again():
    with capture_logs() as told:
        inbox = run(Inbox(), TopicUnavailable("away"), TopicUnavailable("away"), at(1))

    assert inbox.taken == [1]
    assert [each["log_level"] for each in told] == ["warning", "info"]
