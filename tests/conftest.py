import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from fnmatch import fnmatch
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from infra.kafka.cluster import Cluster, running_cluster
from infra.migrate import migrate
from infra.postgres import EmbeddedDatabase, start_embedded
from infra.settings import Settings
from tests.topic import deleted

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the project's files, to plant a fault in."""
    copy = tmp_path / "tree"
    for file in files_of_the_project():
        (copy / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / file, copy / file)
    return copy


def files_of_the_project() -> Iterator[Path]:
    """What a clone holds, relative to the root; .gitignore is read here, so that a tree without git will do."""
    ignored = [".git", *(pattern.rstrip("/") for pattern in (ROOT / ".gitignore").read_text().split())]
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if not any(fnmatch(name, pattern) for pattern in ignored)]
        for name in names:
            if not any(fnmatch(name, pattern) for pattern in ignored):
                yield Path(folder, name).relative_to(ROOT)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--require-all", action="store_true", help="a skipped test fails the run (MAWID_REQUIRE_ALL=1)")


def pytest_sessionfinish(session: pytest.Session) -> None:
    if skipped_reports(session.config) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    skipped = skipped_reports(config)
    if skipped:
        terminalreporter.section("FAILED: every test is required, and these were skipped", red=True, bold=True)
        for report in skipped:
            terminalreporter.line(report.nodeid, red=True)


def skipped_reports(config: pytest.Config) -> list[pytest.CollectReport | pytest.TestReport]:
    """What --require-all forbids. Empty in an xdist worker: its reports end in the controller's terminal."""
    terminal = config.pluginmanager.get_plugin("terminalreporter")
    if terminal is None or not config.getoption("--require-all"):
        return []
    return [report for outcome in ("skipped", "xfailed") for report in terminal.stats.get(outcome, [])]


@pytest.fixture(scope="session")
def postgres_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EmbeddedDatabase]:
    """One server for all workers of the run, who join and leave it. It is fast, and would not survive a power cut."""
    folder = tmp_path_factory.getbasetemp()
    if hasattr(request.config, "workerinput"):
        folder = folder.parent
    server = start_embedded(folder / "postgres-server", durable=False)
    yield server
    server.leave()


@pytest.fixture(scope="session")
def migrated_template(postgres_server: EmbeddedDatabase) -> str:
    name = "migrated_template"
    with psycopg.connect(postgres_server.dsn, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(1)")  # the workers of the run arrive at the same time
        if not connection.execute("SELECT FROM pg_database WHERE datname = %s", [name]).rowcount:
            connection.execute(f"CREATE DATABASE {name}")
        migrate(make_conninfo(postgres_server.dsn, dbname=name))
    return name


@pytest.fixture
def database_url(postgres_server: EmbeddedDatabase, migrated_template: str) -> Iterator[str]:
    """A database of the test's own, with every migration applied and no row of data."""
    with temporary_database(postgres_server, migrated_template) as url:
        yield url


@pytest.fixture
def empty_database_url(postgres_server: EmbeddedDatabase) -> Iterator[str]:
    """A database of the test's own with nothing in it, not even the log."""
    with temporary_database(postgres_server, "template1") as url:
        yield url


@contextmanager
def temporary_database(server: EmbeddedDatabase, template: str) -> Iterator[str]:
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    yield make_conninfo(server.dsn, dbname=name)
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One broker for the whole run, so all its tests are of the xdist group `kafka`. Its parts missing is an error."""
    repository = Settings.load({}).kafka.maven_repository.expanduser()
    with running_cluster(tmp_path_factory.mktemp("kafka"), repository=repository) as cluster:
        yield cluster


@pytest.fixture
def kafka_without_facts(kafka: Cluster) -> Cluster:
    deleted(kafka.bootstrap)
    return kafka


@pytest.fixture
def durable_postgres(tmp_path: Path) -> Iterator[Callable[[], EmbeddedDatabase]]:
    """Starts servers of the test's own, which keep what they have acknowledged: for kills, restarts, power cuts."""
    with ExitStack() as servers:

        def start() -> EmbeddedDatabase:
            server = start_embedded(tmp_path / f"durable-{uuid.uuid4().hex[:8]}")
            servers.callback(server.leave)
            return server

        yield start
