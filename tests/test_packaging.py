"""What a user installs is what the tree holds: the wheel, the locks, the launcher."""

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PACKAGES = {"domain", "projections", "api", "consumers", "infra"}
LOCKED = re.compile(
    r"^(?P<name>[\w.-]+)(?:\[[\w,-]+\])?==(?P<version>[^\s;]+)[^\n]*\n(?P<rest>(?:[ #].*\n)*)", re.MULTILINE
)


@pytest.fixture
def wheel(tree) -> Path:
    """The built wheel, unpacked: a folder that can stand on sys.path."""
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tree.parent]
    subprocess.run(build, cwd=tree, check=True, capture_output=True, timeout=60)
    (archive,) = tree.parent.glob("*.whl")
    zipfile.ZipFile(archive).extractall(tree.parent / "wheel")
    return tree.parent / "wheel"


def locked(lock: Path) -> dict[str, str]:
    return {canonicalize_name(found["name"]): found["version"] for found in LOCKED.finditer(lock.read_text())}


def test_the_wheel_holds_the_five_packages_whole(wheel, tree):
    expected = {
        file.relative_to(tree) for package in PACKAGES for file in (tree / package).rglob("*") if file.is_file()
    }

    held = {file.relative_to(wheel) for file in wheel.rglob("*") if file.is_file()}

    assert {file for file in held if not file.parts[0].endswith(".dist-info")} == expected
    assert {file.suffix for file in expected} >= {".py", ".sql", ".csv"}


def test_our_package_names_are_ours_alone(wheel, monkeypatch):
    monkeypatch.syspath_prepend(wheel)

    owners = packages_distributions()

    assert {name: set(owners[name]) for name in PACKAGES} == {name: {"mawid"} for name in PACKAGES}


def test_another_distribution_that_ships_our_name_is_seen(wheel, monkeypatch, tmp_path):
    intruder = tmp_path / "site" / "intruder-1.0.dist-info"
    intruder.mkdir(parents=True)
    (intruder / "METADATA").write_text("Metadata-Version: 2.1\nName: intruder\nVersion: 1.0\n")
    (intruder / "RECORD").write_text("api/__init__.py,,\n")
    monkeypatch.syspath_prepend(wheel)
    monkeypatch.syspath_prepend(intruder.parent)

    assert set(packages_distributions()["api"]) == {"mawid", "intruder"}


@pytest.mark.parametrize(
    ("lock", "groups"),
    [
        ("requirements.lock", ["build"]),
        ("requirements-kafka.lock", ["build", "kafka"]),
        ("requirements-test.lock", ["build", "kafka", "dev"]),
    ],
)
def test_a_lock_answers_every_requirement(root, lock, groups):
    project = tomllib.loads((root / "pyproject.toml").read_text())
    asked = [*project["project"]["dependencies"], *project["build-system"]["requires"]]
    asked += [line for group in groups for line in project["dependency-groups"][group] if isinstance(line, str)]

    versions = locked(root / lock)

    for requirement in map(Requirement, asked):
        assert requirement.specifier.contains(versions[canonicalize_name(requirement.name)]), requirement


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-kafka.lock", "requirements-test.lock"])
def test_every_locked_package_has_hashes(root, lock):
    text = (root / lock).read_text()

    found = list(LOCKED.finditer(text))

    assert len(found) == len(re.findall(r"^\w", text, re.MULTILINE))
    assert [package["name"] for package in found if "--hash=sha256:" not in package["rest"]] == []


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-kafka.lock"])
def test_what_runs_is_what_was_tested(root, lock):
    runtime, tested = locked(root / lock), locked(root / "requirements-test.lock")

    assert runtime.items() <= tested.items()


def test_the_launcher_says_in_one_sentence_that_there_is_no_python(tree, tmp_path):
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in ("bash", "cat", "cksum", "dirname", "readlink"):
        (tools / tool).symlink_to(shutil.which(tool))

    run = subprocess.run(
        [tree / "mawid", "--help"], env={"PATH": str(tools)}, capture_output=True, text=True, timeout=60, check=False
    )

    assert run.returncode == 1
    assert run.stdout == ""
    assert run.stderr.count("\n") == 1
    assert "Python 3.11" in run.stderr


@pytest.mark.full
def test_a_new_clone_started_twice_at_once_through_a_link_from_elsewhere_runs_both_times(tree, tmp_path):
    link = tmp_path / "elsewhere" / "mawid"
    link.parent.mkdir()
    link.symlink_to("../tree/mawid")

    def start() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [link, "--help"], cwd=link.parent, capture_output=True, text=True, timeout=300, check=False
        )

    with ThreadPoolExecutor(2) as two:
        runs = [ran.result() for ran in [two.submit(start), two.submit(start)]]

    log = (tree / ".venv" / "install.log").read_text()
    assert [(run.returncode, "Usage: mawid" in run.stdout) for run in runs] == [(0, True), (0, True)], log
    assert [path.name for path in link.parent.iterdir()] == ["mawid"]
