from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from infra.settings import Settings
from tests.api.client import Api
from tests.conftest import temporary_database


@contextmanager
def opened_api(database_url: str, folder: Path, **environ: str) -> Iterator[Api]:
    """In request clock, and without the rates that a test would meet sooner than any client."""
    usual = {"MAWID_DATABASE_URL": database_url, "MAWID_DATA_DIR": str(folder), "MAWID_CLOCK": "request"}
    rates = dict.fromkeys(["CITIZEN", "STAFF", "ADDRESS"], "100000")
    usual |= {f"MAWID_{whose}_REQUESTS_PER_S": rate for whose, rate in rates.items()}
    with ExitStack() as parts:
        yield Api(Settings.load(usual | environ), parts)


@pytest.fixture(scope="module")
def shared_api(postgres_server, migrated_template, tmp_path_factory) -> Iterator[Api]:
    """One instance for the tests of a module, each of which has offices and persons of its own."""
    with (
        temporary_database(postgres_server, migrated_template) as url,
        opened_api(url, tmp_path_factory.mktemp("data")) as api,
    ):
        yield api


@pytest.fixture
def api(shared_api) -> Api:
    return shared_api


@pytest.fixture
def open_api(database_url, tmp_path) -> Iterator[Callable[..., Api]]:
    """An instance of the test's own, with settings of its own; called again: another process on the same database."""
    with ExitStack() as parts:
        yield lambda **environ: parts.enter_context(opened_api(database_url, tmp_path, **environ))
