"""Faults of shape, each found by one shell command: silence is good. Each command is shown to find a planted fault."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

PACKAGES = "domain projections api consumers infra"


@dataclass(frozen=True)
class Smell:
    name: str
    command: str  # prints the faults, run in the root of the tree
    file: str  # where a fault is planted to see the command find it
    fault: str  # in pieces where the whole would be found in this file

    def found_in(self, tree: Path) -> list[str]:
        run = subprocess.run(["bash", "-c", self.command], cwd=tree, capture_output=True, text=True, check=False)
        assert run.stderr == ""
        return run.stdout.splitlines()


SMELLS = [
    # domain/decisions.py decides and so may branch; what must not is the door in front of it
    Smell(
        "a rule of the domain judged at the door",
        r"grep -rnE '^\s+(if|elif|for|raise|match)\b.*(capacity|\bactive|\bbann?(ed)?\b)' api consumers --include=*.py",
        "api/bookings.py",
        "    if len(slot.bookings) >= slot.capacity:",
    ),
    Smell(
        "an event that says which field changed, not what happened",
        r"grep -nHE 'class \w*(Updated|Changed|Created|Deleted|Modified|Set)\b' domain/events.py",
        "domain/events.py",
        "class BookingUpdated(SlotEvent):",
    ),
    Smell(
        "a view's work done in an endpoint",
        r"grep -rnE '\b(SELECT|INSERT|UPDATE) |\.execute\(|Counter\(|sum\(' api --include=*.py",
        "api/statistics.py",
        '    rows = cursor.execute("SELECT office FROM totals")',
    ),
    Smell(
        "the environment read outside infra/settings.py",
        rf"grep -rnE 'os\.(environ|getenv)|Base[S]ettings' {PACKAGES} tests --include=*.py"
        " | grep -v '^infra/settings.py'",
        "projections/follow.py",
        "LIMIT = os." + "environ['LIMIT']",
    ),
    Smell(
        "a test that replaces what it tests, or hides",
        r"grep -rnE '\b(Magic)?Mock\(|\bpatch\(|mocke[r]\b|mark\.(skip|xfail)' tests",
        "tests/domain/test_slot.py",
        "@pytest.mark" + ".skip",
    ),
    Smell(
        "a hidden clock or chance: replay would differ",
        r"grep -rnE '\.(now|today|utcnow)\(|time\.time\(|uuid[14]\(|random' domain projections --include=*.py",
        "domain/slot.py",
        "        self.booked_at = datetime.now(UTC)",
    ),
    Smell(
        "a grab-bag module",
        rf"find {PACKAGES} tests -name '*.py' | grep -E '(util|helper|common|manager|misc|core|base)s?\.py$'",
        "domain/utils.py",
        "",
    ),
    Smell(
        "a swallowed error",
        rf"grep -rnE 'except( Exception| BaseException)?:|suppress\((Base)?Exception' {PACKAGES} --include=*.py",
        "infra/desk.py",
        "    except Exception:",
    ),
    Smell(
        "an address of a package registry",
        r"grep -rnIE -e 'https?://[^ ]*/(simple|packages|maven2?)/|^(registry|url|index-url) ?='"
        r" -e '--(extra-)?index-url|--find-link[s]' . --exclude-dir=.git",
        "requirements.lock",
        "--index" + "-url https" + "://registry.example/simple/",
    ),
    Smell(
        "an address in a lock",
        "grep -nHE '[a-z]+://' requirements.lock requirements-test.lock",
        "requirements-test.lock",
        "a @ https" + "://registry.example/a-1.0.whl",
    ),
    Smell(
        "a path of somebody's machine",
        r"grep -rnIE '(^|[^[:alnum:]_.~-])/(work|root|home|Users|tmp)/[[:alnum:]]' . --exclude-dir=.git",
        "infra/planted.toml",
        'directory = "/ho' + 'me/somebody/mawid"',
    ),
]


@pytest.mark.parametrize("smell", SMELLS, ids=lambda smell: smell.name)
def test_the_tree_is_free_of(smell, tree):
    assert smell.found_in(tree) == []


@pytest.mark.parametrize("smell", SMELLS, ids=lambda smell: smell.name)
def test_the_command_finds_a_planted(smell, tree):
    before = smell.found_in(tree)
    (tree / smell.file).parent.mkdir(parents=True, exist_ok=True)
    with (tree / smell.file).open("a") as source:
        source.write(f"\n{smell.fault}\n")

    (found,) = set(smell.found_in(tree)) - set(before)

    assert smell.file in found
    assert smell.fault.strip() in found
