import random
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from threading import Thread
from typing import Any

import psycopg
import pytest
from eventsourcing.persistence import StoredEvent
from psycopg import Connection, Cursor, errors
from psycopg.rows import TupleRow

from domain.events import SlotBooked
from infra.postgres import EmbeddedDatabase
from projections.catalogue import Catalogue
from projections.follow import Follower
from projections.lane import FoldFailed, Lane
from projections.log import Page, UnreadableLog, facts_after
from projections.milestones import Milestones, ladder
from projections.projection import AsOf, position_of, snapshot, wait_for
from projections.rebuild import self_check
from projections.storage import NewerView, PositionMoved, live_position
from projections.totals import Totals, running_count
from tests.projections.conftest import every_view, sessions_of_followers
from tests.projections.story import Facts, play

NAMES = [view.name for view in every_view()]


@pytest.fixture(scope="module")
def history() -> Facts:
    return play(random.Random(11), 1500).facts


@pytest.fixture
def elsewhere(postgres_server: EmbeddedDatabase) -> Iterator[Connection[Any]]:
    """On the same server, in another database."""
    with closing(psycopg.connect(postgres_server.dsn, autocommit=True)) as connection:
        yield connection


class Stubborn(Totals):
    """Cannot fold one booking."""

    def __init__(self, booking: str) -> None:
        self.booking = booking

    def fold(self, facts: Page, cursor: Cursor[TupleRow]) -> None:
        if any(fact.booking == self.booking and isinstance(fact.event, SlotBooked) for _, fact in facts):
            raise ArithmeticError(self.booking)
        super().fold(facts, cursor)


def equal_to_the_log(database_url: str) -> bool:
    return all(checked.equal for checked in self_check(database_url, every_view()))


def test_every_view_follows_the_log_and_says_as_of_which_fact(connection, database_url, append, follow, history):
    append(history[:700])
    follower = follow(page_events_max=100)
    follower.catch_up()

    append(history[700:])
    follower.catch_up()

    last = history[-1]
    assert {position_of(connection, name) for name in NAMES} == {AsOf(last[0], last[1].at)}
    assert equal_to_the_log(database_url)


def test_a_view_nobody_has_folded_is_as_of_nothing(connection):
    assert position_of(connection, "totals") == AsOf(0, None)


def test_the_tables_exist_as_soon_as_the_follower_does(connection, follow):
    follow()

    assert running_count(connection) == 0
    assert ladder(connection) == ([], 1, 0)


def test_waiting_ends_when_all_views_have_the_fact_and_not_before(connection, append, follow, history):
    append(history[:100])
    follow([Totals()]).catch_up()

    assert wait_for(connection, ["totals"], 100, 0)
    assert not wait_for(connection, ["totals"], 101, 0.01)
    assert not wait_for(connection, ["totals", "milestones"], 100, 0.01)


def test_a_waiter_sees_what_is_appended_meanwhile(connection, append, follow, history):
    follow()
    writer = Thread(target=append, args=[history[:300]])
    writer.start()

    assert wait_for(connection, NAMES, 300, 10)
    writer.join()


def test_of_two_followers_the_second_goes_on_where_the_first_ended(database_url, append, follow, history):
    first, second = follow(page_events_max=50), follow(page_events_max=50)
    append(history[:500])
    first.catch_up()

    first.close()
    append(history[500:])
    second.catch_up(timeout_s=5)

    assert equal_to_the_log(database_url)


def test_views_that_stand_apart_meet_and_each_folds_what_it_lacks(database_url, append, follow, history):
    append(history[:250])
    follow([Totals()]).close()
    append(history[250:])

    follow(page_events_max=100).catch_up()

    assert equal_to_the_log(database_url)


def test_a_view_stands_still_while_its_lock_is_held(connection, database_url, append, follow, history):
    follow([Totals()])

    with closing(psycopg.connect(database_url)) as holder:
        assert live_position(holder, Totals()) == 0
        append(history)
        assert not wait_for(connection, ["totals"], 1, 0.3)

    assert wait_for(connection, ["totals"], len(history), 10)


def test_two_that_both_believe_they_hold_a_view_fold_each_fact_once(database_url, append, history):
    """As when a connection pooler hands one session's lock to two."""
    append(history)
    outcomes: list[str] = []
    with closing(Lane(database_url, Totals())) as first, closing(Lane(database_url, Totals())) as second:
        assert first.take()
        second.is_held = True

        def fold(lane: Lane) -> None:
            while lane.position < len(history):
                try:
                    lane.fold(history[lane.position : lane.position + 10])
                except PositionMoved:
                    outcomes.append("moved")
                    lane.position = position_of(lane._connection, "totals").position
                else:
                    outcomes.append("folded")

        fights = [Thread(target=fold, args=[lane]) for lane in (first, second)]
        for fight in fights:
            fight.start()
        for fight in fights:
            fight.join()

    assert outcomes.count("folded") >= len(history) // 10
    assert outcomes.count("moved") > 0
    assert all(checked.equal for checked in self_check(database_url, [Totals()]))


@pytest.mark.faults
def test_sessions_killed_in_the_middle_of_the_work_lose_and_double_nothing(
    connection, database_url, append, follow, history
):
    append(history)
    followers = [follow(page_events_max=3), follow(page_events_max=3)]

    for position in range(0, len(history) // 2, 100):  # somewhere behind it, wherever the kill finds them
        assert wait_for(connection, NAMES, position, 30)
        for pid in sessions_of_followers(connection):
            connection.execute("SELECT pg_terminate_backend(%s)", (pid,))
    followers[0].catch_up(timeout_s=30)

    assert [follower.failure for follower in followers] == [None, None]
    assert equal_to_the_log(database_url)


@pytest.mark.faults
def test_a_follower_goes_on_when_the_database_is_back(connection, elsewhere, database_url, append, *, follow, history):
    append(history[:100])
    follower = follow()
    follower.catch_up()

    with closed_to_new_sessions(connection.info.dbname, elsewhere):
        for pid in sessions_of_followers(connection):
            connection.execute("SELECT pg_terminate_backend(%s)", (pid,))
        append(history[100:])
        assert not wait_for(connection, NAMES, len(history), 0.3)

    follower.catch_up(timeout_s=10)
    assert follower.failure is None
    assert equal_to_the_log(database_url)


def test_a_fact_that_cannot_be_folded_stops_its_view_before_it_and_no_other(connection, append, follow, history):
    bad, fact = next((position, fact) for position, fact in history[300:] if isinstance(fact.event, SlotBooked))
    append(history)
    others = [view for view in every_view() if view.name != "totals"]
    follower = follow([*others, Stubborn(str(fact.booking))])

    with pytest.raises(FoldFailed) as failed:
        follower.catch_up(timeout_s=10)

    assert wait_for(connection, [view.name for view in others], len(history), 10)
    assert (failed.value.view, failed.value.position) == ("totals", bad)
    assert isinstance(failed.value.cause, ArithmeticError)
    assert follower.failure is failed.value
    assert follower.wait(0)
    assert position_of(connection, "totals").position == bad - 1


def test_a_view_that_stood_still_goes_on_from_there_once_its_fold_is_mended(
    connection, database_url, append, follow, history
):
    _, fact = next((position, fact) for position, fact in history[300:] if isinstance(fact.event, SlotBooked))
    append(history)
    with pytest.raises(FoldFailed):
        follow([Stubborn(str(fact.booking))]).catch_up(timeout_s=10)

    follow([Totals()]).catch_up(timeout_s=5)

    assert all(checked.equal for checked in self_check(database_url, [Totals()]))


def test_an_event_of_an_unknown_type_stops_every_view_at_its_position(connection, recorder, append, follow, history):
    append(history[:50])
    recorder.insert_events([StoredEvent("slot/x", 1, "SlotPainted.v1", b"{}")])
    append(history[50:])
    follower = follow()

    with pytest.raises(FoldFailed) as failed:
        follower.catch_up(timeout_s=10)

    assert failed.value.position == 51
    assert isinstance(failed.value.cause, UnreadableLog)
    assert {position_of(connection, name).position for name in NAMES} == {50}


def test_a_hole_in_the_log_stops_every_view_before_it(connection, append, follow, history):
    append(history)
    connection.execute("ALTER TABLE log DISABLE TRIGGER ALL")
    connection.execute("DELETE FROM log WHERE position BETWEEN 60 AND 61")
    follower = follow()

    with pytest.raises(FoldFailed) as failed:
        follower.catch_up(timeout_s=10)

    assert failed.value.position == 60
    assert len(facts_after(connection, 0, 1000)) == 59
    with pytest.raises(UnreadableLog):
        facts_after(connection, 59, 1000)


def test_a_view_of_a_new_version_is_replayed_from_the_first_fact(connection, append, follow, history):
    append(history)
    follow([Milestones()]).close()
    connection.execute("UPDATE view_milestones.tally SET count = 0")

    newer = Milestones()
    newer.version += 1
    follow([newer]).catch_up(timeout_s=10)

    assert ladder(connection).running == sum(is_electronic(fact.event) for _, fact in history)


def test_a_view_of_a_newer_mawid_is_left_alone(connection, append, follow, history):
    append(history[:50])
    newer = Catalogue()
    newer.version += 1
    follow([newer]).close()

    follower = follow([Catalogue()])

    assert isinstance(follower.failure, FoldFailed)
    assert isinstance(follower.failure.cause, NewerView)


def test_in_a_snapshot_rows_and_position_belong_together(connection, append, follow, history):
    follow(page_events_max=7)
    running = [0]
    for _, fact in history:
        running.append(running[-1] + is_electronic(fact.event))
    writer = Thread(target=append_in_small_batches, args=[append, history])
    writer.start()

    seen = set()
    while len(history) not in seen:
        with snapshot(connection):
            counted, as_of = running_count(connection), position_of(connection, "totals")
        assert counted == running[as_of.position]
        seen.add(as_of.position)

    writer.join()
    assert len(seen) > 2


def test_a_database_without_a_log_is_a_failure_that_can_be_seen(empty_database_url):
    with Follower(empty_database_url, [Totals()]) as follower:
        assert isinstance(follower.failure, FoldFailed)
        assert isinstance(follower.failure.cause, errors.UndefinedTable)


@contextmanager
def closed_to_new_sessions(database: str, elsewhere: Connection[Any]) -> Iterator[None]:
    elsewhere.execute(f"ALTER DATABASE {database} ALLOW_CONNECTIONS false")
    yield
    elsewhere.execute(f"ALTER DATABASE {database} ALLOW_CONNECTIONS true")


def is_electronic(event: Any) -> bool:
    return isinstance(event, SlotBooked) and event.channel != "counter"


def append_in_small_batches(append: Callable[[Facts], None], facts: Facts) -> None:
    for first in range(0, len(facts), 20):
        append(facts[first : first + 20])
