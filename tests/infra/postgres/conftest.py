import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from psycopg.conninfo import make_conninfo

from infra.postgres import start_embedded
from infra.postgres.programs import account_for, find_programs
from tests.infra.postgres.servers import USE, User, running_in, until


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("made-once")
    start_embedded(path).leave()
    return path


@pytest.fixture
def data_dir(made_once: Path) -> Iterator[Path]:
    """With a database in it, which other tests have started, stopped and killed before, as happens to databases."""
    yield made_once
    assert running_in(made_once) == {}


@pytest.fixture
def data_dir_to_break(made_once: Path, tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "data"
    shutil.copytree(made_once, path)
    yield path
    assert running_in(path) == {}
    shutil.rmtree(path)  # 40 MB


@pytest.fixture
def user(root: Path) -> Iterator[Callable[..., User]]:
    users: list[User] = []

    def start(data_dir: Path, *prefix: str, script: str = USE) -> User:
        users.append(User(root, data_dir, prefix, script))
        return users[-1]

    yield start
    for each in users:
        each.close()


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """Reachable by every user of the machine, which pytest's own folders are not."""
    path = Path(tempfile.mkdtemp())
    path.chmod(0o755)
    yield path
    assert running_in(path) == {}
    shutil.rmtree(path)


@pytest.fixture
def started_by_hand() -> Iterator[Callable[..., tuple[subprocess.Popen[str], str]]]:
    """Starts a server on the database of a data folder as an operator would; gives the process and the DSN."""
    processes: list[subprocess.Popen[str]] = []
    with tempfile.TemporaryDirectory() as sockets:

        def start(data_dir: Path) -> tuple[subprocess.Popen[str], str]:
            cluster = data_dir / "postgres"
            programs = find_programs(None, account_for(cluster))
            options = ("-D", str(cluster), "-k", sockets, "-c", "listen_addresses=")
            processes.append(programs.start("postgres", *options, output=subprocess.DEVNULL))
            pid_file = cluster / "postmaster.pid"
            until(lambda: pid_file.exists() and pid_file.read_text().rstrip().endswith(("ready", "standby")))
            password = (data_dir / "postgres.password").read_text().strip()
            return processes[-1], make_conninfo("", host=sockets, user="mawid", password=password, dbname="mawid")

        yield start
        for process in processes:
            process.terminate()
            process.wait(timeout=20)
