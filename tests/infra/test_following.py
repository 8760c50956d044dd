import subprocess
import sys

import psutil
import psycopg
import pytest

from infra.bootstrap import open_instance, views_for
from infra.following import FollowingStopped, following
from infra.settings import Settings
from infra.simulate import simulate
from projections.log import head
from projections.milestones import ladder
from projections.projection import position_of, wait_for
from projections.rebuild import self_check

WAIT_S = 20


@pytest.fixture
def settings(database_url, tmp_path):
    return Settings.load({"MAWID_DATABASE_URL": database_url, "MAWID_DATA_DIR": str(tmp_path)})


def test_the_views_are_at_the_head_after_catching_up(settings, database_url):
    with following(settings, database_url) as views, open_instance(settings, database_url) as instance:
        simulate(instance, bookings=50, seed=1)
        views.catch_up()

        with psycopg.connect(database_url) as connection:
            assert ladder(connection).running == 50


def test_a_view_that_cannot_go_on_is_told(settings, database_url):
    unknown = """
        INSERT INTO log (position, stream, stream_version, type, at, recorded_at, state, leaf)
        VALUES (1, 's', 1, 'Unheard.v1', now(), now(), '{}', ''); UPDATE log_head SET position = 1
    """
    with open_instance(settings, database_url), psycopg.connect(database_url) as connection:
        connection.execute(unknown)

    with following(settings, database_url) as views, pytest.raises(FollowingStopped, match="position 1"):
        views.catch_up(WAIT_S)


@pytest.mark.faults
def test_a_process_killed_in_the_middle_is_started_again_and_loses_and_doubles_nothing(database_url, tmp_path):
    environ = {"MAWID_DATABASE_URL": database_url, "MAWID_DATA_DIR": str(tmp_path), "MAWID_FOLLOW_EVENTS_MAX": "10"}
    settings, positions = Settings.load(environ), [0]
    with following(settings, database_url) as views, open_instance(settings, database_url) as instance:
        for bookings in (100, 200, 300):
            simulate(instance, bookings=bookings, seed=1)
            with psycopg.connect(database_url, autocommit=True) as connection:
                assert wait_for(connection, ["totals"], positions[-1] + 1, WAIT_S)
                psutil.Process(views.pid).kill()
                while (ended := views.ensure_running()) is None:
                    pass
                assert "exit code -9" in ended
                positions.append(position_of(connection, "totals").position)
                assert positions[-1] < head(connection)
        views.catch_up()

        assert positions == sorted(set(positions))
        assert all(checked.equal for checked in self_check(database_url, views_for(settings, database_url)))


def test_the_process_that_follows_ends_with_the_one_that_started_it(settings, database_url, root):
    script = """
import sys
from infra.following import following
from infra.settings import Settings

if __name__ == "__main__":
    settings = Settings.load({"MAWID_DATABASE_URL": sys.argv[1], "MAWID_DATA_DIR": sys.argv[2]})
    with following(settings, sys.argv[1]) as views:
        views.catch_up()
        print("follows", flush=True)
        sys.stdin.read()
"""
    path = settings.storage.data_dir / "start.py"
    path.write_text(script)
    told = ["env", f"PYTHONPATH={root}"]
    arguments = [*told, sys.executable, str(path), database_url, str(settings.storage.data_dir)]

    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout.readline() == b"follows\n"
        children = psutil.Process(parent.pid).children()
        follower = next(child for child in children if "spawn_main" in " ".join(child.cmdline()))
        parent.kill()

    follower.wait(WAIT_S)
