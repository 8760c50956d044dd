import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Event, Thread

import psycopg
import pytest

from projections import availability, bookings, catalogue, milestones, totals
from projections.catalogue import Catalogue
from projections.comparison import Difference
from projections.milestones import Milestones, ladder
from projections.projection import AsOf, position_of, wait_for
from projections.rebuild import rebuild, self_check
from projections.totals import Totals, running_count
from tests.projections.conftest import every_view
from tests.projections.story import EVE, OFFICES, WORKDAYS, Facts, go_on, play

NAMES = [view.name for view in every_view()]

#: A rebuild that stops for ever, somewhere in the middle of its second page.
HALTING_REBUILD = """
import sys
from projections import rebuild
from projections.totals import Totals

class Halting(Totals):
    pages = 0

    def fold(self, facts, cursor):
        super().fold(facts, cursor)
        self.pages += 1
        if self.pages == 2:
            print("halfway", flush=True)
            sys.stdin.read()

rebuild.PAGE_EVENTS_MAX = 100
rebuild.rebuild(sys.argv[1], [Halting()], compare=True)
"""


@pytest.fixture(scope="module")
def history() -> Facts:
    return play(random.Random(12), 1500).facts


@contextmanager
def busy(work: Callable[[], None]) -> Iterator[None]:
    """The work is done again and again beside the block, and has not failed at its end."""
    done, failures = Event(), list[BaseException]()

    def repeat() -> None:
        try:
            while not done.is_set():
                work()
        except BaseException as error:
            failures.append(error)
            raise

    thread = Thread(target=repeat)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
    assert failures == []


def test_a_rebuilt_view_equals_the_live_one_while_facts_come_in_and_readers_read(database_url, append, follow):
    chance = random.Random(13)
    story = play(chance, 500)
    append(story.facts)
    follower = follow(page_events_max=50)
    follower.catch_up()

    def write() -> None:
        append(go_on(story, chance, 3))

    def read() -> None:
        availability.days(reader, OFFICES[0], 30, *WORKDAYS, now=EVE)
        bookings.of_person(reader, "person-1")
        catalogue.offices(reader, now=EVE)
        milestones.ladder(reader)
        totals.totals(reader, ["office", "hour"], now=EVE)

    with closing(psycopg.connect(database_url, autocommit=True)) as reader, busy(write), busy(read):
        rebuilt = [one for _ in range(3) for one in rebuild(database_url, every_view(), compare=True)]

    assert [(one.view, one.equal, one.difference) for one in rebuilt] == [
        (name, True, None) for _ in range(3) for name in NAMES
    ]
    assert len({one.events for one in rebuilt}) >= 3
    follower.catch_up()
    assert follower.failure is None
    assert all(checked.equal for checked in self_check(database_url, every_view()))


def test_a_live_view_that_is_not_what_the_log_says_is_found_out_and_put_right(
    connection, database_url, append, follow, history
):
    append(history)
    follower = follow([Totals()])
    follower.catch_up()
    (counted,) = connection.execute("SELECT count FROM view_totals.running").fetchone()
    connection.execute("UPDATE view_totals.running SET count = count - 1")

    (rebuilt,) = rebuild(database_url, [Totals()], compare=True)

    assert rebuilt.equal is False
    assert rebuilt.difference == Difference("running", f"(t,{counted - 1})", f"(t,{counted})")
    assert running_count(connection) == counted
    assert rebuild(database_url, [Totals()], compare=True)[0].equal


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("DELETE FROM view_milestones.milestone WHERE threshold = 10", (False, True)),
        ("INSERT INTO view_milestones.milestone VALUES (11, 'none', 1, now())", (True, False)),
    ],
)
def test_a_row_too_few_or_too_many_is_a_difference(
    connection, database_url, append, *, follow, history, statement, expected
):
    append(history)
    follow([Milestones()]).catch_up()
    connection.execute(statement)

    (checked,) = self_check(database_url, [Milestones()])

    assert checked.difference is not None
    assert checked.difference.table == "milestone"
    assert (checked.difference.live is not None, checked.difference.rebuilt is not None) == expected


def test_a_table_too_few_is_a_difference(connection, database_url, append, follow, history):
    append(history)
    follow([Milestones()]).close()
    connection.execute("DROP TABLE view_milestones.tally")

    (checked,) = self_check(database_url, [Milestones()])

    assert checked.difference == Difference("", "milestone", "milestone, tally")


def test_a_self_check_changes_nothing(connection, database_url, append, follow, history):
    append(history)
    follow([Milestones()]).catch_up()
    connection.execute("UPDATE view_milestones.tally SET count = 0")

    (checked,) = self_check(database_url, [Milestones()])

    assert (checked.equal, checked.events) == (False, len(history))
    assert ladder(connection).running == 0
    assert schemas(connection) == {"view_milestones"}


def test_views_that_stand_apart_are_compared_in_one_pass_each_where_it_stands(database_url, append, follow, history):
    append(history[:300])
    follow([Totals()]).close()
    append(history[300:500])
    follow([Milestones()]).close()
    append(history[500:])

    checked = self_check(database_url, [Totals(), Catalogue(), Milestones()])

    assert [(one.view, one.equal, one.events) for one in checked] == [
        ("totals", True, 300),
        ("catalogue", None, 0),
        ("milestones", True, 500),
    ]


def test_a_rebuilt_view_has_the_indexes_of_a_followed_one_and_survives_a_crash(
    connection, database_url, append, follow, history
):
    """What a fold does not need is made last, and nothing that is kept may be unlogged."""
    append(history)
    follow().catch_up()
    followed = structure(connection)

    rebuild(database_url, every_view(), compare=False)

    assert structure(connection) == followed
    assert {persistence for *_, persistence in followed} == {"p"}


@pytest.mark.parametrize("compare", [True, False])
def test_a_view_that_was_never_followed_is_built_up_to_the_head(connection, database_url, append, *, history, compare):
    append(history)

    (rebuilt,) = rebuild(database_url, [Catalogue()], compare=compare)

    assert (rebuilt.equal, rebuilt.events) == (None, len(history))
    assert position_of(connection, "catalogue") == AsOf(history[-1][0], history[-1][1].at)
    assert [one.office for one in catalogue.offices(connection, now=EVE)] == sorted(OFFICES)


def test_a_view_of_an_older_version_is_replaced_without_a_comparison(connection, database_url, append, follow, history):
    append(history)
    follow([Milestones()]).close()
    newer = Milestones()
    newer.version += 1

    (rebuilt,) = rebuild(database_url, [newer], compare=True)

    assert (rebuilt.equal, rebuilt.events) == (None, len(history))
    follow([newer]).catch_up()
    assert self_check(database_url, [newer])[0].equal


def test_a_view_that_stands_behind_is_compared_where_it_stands_and_may_be_brought_to_the_head(
    connection, database_url, append, follow, history
):
    append(history[:300])
    follow([Totals()]).close()
    append(history[300:])

    (compared,) = rebuild(database_url, [Totals()], compare=True)
    (brought,) = rebuild(database_url, [Totals()], compare=False)

    assert (compared.equal, compared.events) == (True, 300)
    assert (brought.equal, brought.events) == (None, len(history))
    assert position_of(connection, "totals").position == len(history)


def test_a_follower_goes_on_from_where_a_rebuild_has_brought_its_view(
    connection, database_url, append, follow, history
):
    append(history[:300])
    follower = follow([Totals()])
    follower.catch_up()

    rebuild(database_url, [Totals()], compare=False)
    append(history[300:])

    follower.catch_up(timeout_s=10)
    assert follower.failure is None
    assert self_check(database_url, [Totals()])[0].equal


@pytest.mark.faults
def test_a_rebuild_killed_midway_leaves_the_live_view_alone_and_the_next_begins_afresh(
    connection, root: Path, database_url, append, *, follow, history
):
    append(history)
    follow([Totals()]).catch_up()
    counted = running_count(connection)
    command = [sys.executable, "-c", HALTING_REBUILD, database_url]

    with subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "halfway\n"
        process.send_signal(signal.SIGKILL)

    assert schemas(connection) == {"view_totals", "rebuild_totals"}
    assert (running_count(connection), wait_for(connection, ["totals"], len(history), 0)) == (counted, True)
    assert rebuild(database_url, [Totals()], compare=True)[0].equal
    assert schemas(connection) == {"view_totals"}


def structure(connection: psycopg.Connection[tuple[str, ...]]) -> set[tuple[str, ...]]:
    query = """
        SELECT relname, coalesce(pg_get_indexdef(pg_class.oid), ''), relpersistence FROM pg_class
        WHERE relkind IN ('r', 'i') AND relnamespace::regnamespace::text LIKE 'view%'
    """
    return set(connection.execute(query).fetchall())


def schemas(connection: psycopg.Connection[tuple[str]]) -> set[str]:
    query = "SELECT nspname FROM pg_namespace WHERE nspname ~ '^(view|rebuild|retired)_'"
    return {name for (name,) in connection.execute(query)}
