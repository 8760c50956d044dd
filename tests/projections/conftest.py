from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from hashlib import sha256
from typing import Any

import psycopg
import pytest
from psycopg import Connection

from domain.events import Fact
from infra.bootstrap import views_of
from infra.recorder import FactMapper, Factory, LogRecorder
from projections.follow import Follower
from projections.projection import Projection
from projections.storage import as_of, create, live_schema, place
from tests.projections.story import Facts, pages

Folded = Callable[..., Any]


def reference_hash(booking: str, _key_id: str = "k1") -> bytes:
    return sha256(booking.encode()).digest()


def every_view() -> list[Projection]:
    return list(views_of(reference_hash))


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection[Any]]:
    with closing(psycopg.connect(database_url, autocommit=True)) as connection:
        yield connection


@pytest.fixture
def folded(connection: Connection[Any]) -> Folded:
    """A context in which views are folded from facts, in pages of a size; afterwards they are gone again."""

    @contextmanager
    def fold(views: Sequence[Projection], facts: Facts, page_size: int = 1000) -> Iterator[Connection[Any]]:
        with connection.transaction(force_rollback=True):
            for view in views:
                create(connection, view, live_schema(view))
                connection.execute(f"SET LOCAL search_path = {live_schema(view)}")
                for page in pages(facts, page_size):
                    view.fold(page, connection.cursor())
            connection.execute("SET LOCAL search_path = public")
            for view in views:
                place(connection, view, as_of(facts))
            yield connection

    return fold


@pytest.fixture
def recorder(database_url: str) -> Iterator[LogRecorder]:
    factory = Factory({"DATABASE_URL": database_url})
    yield factory.application_recorder()
    factory.close()


@pytest.fixture
def append(recorder: LogRecorder) -> Callable[[Sequence[tuple[int, Fact]]], None]:
    """Appends facts to the log, in batches as the desk does."""
    mapper = FactMapper()

    def append(facts: Sequence[tuple[int, Fact]]) -> None:
        stored = [mapper.to_stored_event(fact) for _, fact in facts]
        for first in range(0, len(stored), 1000):
            recorder.insert_events(stored[first : first + 1000])

    return append


@pytest.fixture
def follow(database_url: str) -> Iterator[Callable[..., Follower]]:
    """Starts followers, which are closed at the end."""
    with ExitStack() as followers:

        def follow(views: Sequence[Projection] | None = None, *, page_events_max: int = 5_000) -> Follower:
            views = every_view() if views is None else views
            return followers.enter_context(Follower(database_url, views, page_events_max=page_events_max))

        yield follow


def sessions_of_followers(connection: Connection[Any]) -> list[int]:
    """The backends that hold a lock on a view."""
    query = """
        SELECT DISTINCT pid FROM pg_stat_activity JOIN pg_locks USING (pid)
        WHERE datname = current_database() AND locktype = 'advisory'
    """
    return [row[0] for row in connection.execute(query)]
