import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from infra.settings import Settings
from tests.api.client import Api
from tests.conftest import temporary_database


@contextmanager
def opened_api(database_url: str, folder: Path, **environ: str) -> Iterator[Api]:
    environ = {"MAWID_DATABASE_URL": database_url, "MAWID_DATA_DIR": str(folder), "MAWID_CLOCK": "request"} | environ
    with ExitStack() as parts:
        yield Api(Settings.load(environ), parts)


@pytest.fixture(scope="module")
def shared_api(postgres_server, migrated_template, tmp_path_factory) -> Iterator[Api]:
    """One instance for the tests of a module, each of which has offices and persons of its own. In request clock."""
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
