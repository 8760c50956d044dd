"""The keys of a real instance: backed up, lost, put back, and made anew where that is a way out."""

import subprocess
from pathlib import Path

import pytest

from tests.journeys.conftest import MAWID

WORDS = "six words drawn by lot here\n"


@pytest.fixture
def instance(tmp_path, database_url):
    return OnAMachine(tmp_path, database_url)


class OnAMachine:
    def __init__(self, folder: Path, database_url: str) -> None:
        self.keys, self.escrow = folder / "data" / "keys", folder / "escrow"
        self._told = [f"MAWID_DATA_DIR={folder / 'data'}", f"MAWID_DATABASE_URL={database_url}"]
        self.does("catalogue", "load")

    def run(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["env", *self._told, MAWID, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def does(self, *arguments: str, stdin: str = "") -> str:
        run = self.run(*arguments, stdin=stdin)
        assert run.returncode == 0, run.stderr
        return run.stdout

    def fails(self, *arguments: str, stdin: str = "") -> str:
        """The one sentence."""
        run = self.run(*arguments, stdin=stdin)
        assert run.returncode == 1
        assert "Traceback" not in run.stderr
        return run.stderr.strip().splitlines()[-1]

    def finding(self, what: str) -> str:
        """The doctor's."""
        [line] = [line for line in self.run("doctor").stdout.splitlines() if line[2:].startswith(f"{what}: ")]
        return line

    def back_up(self) -> str:
        return self.does("keys", "backup", str(self.escrow), "--passphrase-file", "-", stdin=WORDS)

    def put_back(self) -> str:
        return self.does("keys", "restore", str(self.escrow), "--passphrase-file", "-", stdin=WORDS)


def test_all_keys_lost_stop_the_start_until_they_are_put_back(instance):
    assert instance.finding("backup of keys").startswith("!")
    instance.back_up()
    assert instance.finding("backup of keys").startswith("✓")
    for path in instance.keys.glob("*.key"):
        path.unlink()

    said = instance.fails("serve")
    instance.put_back()

    assert str(instance.keys) in said
    assert "keys restore" in said
    assert not any(instance.finding(what).startswith("✗") for what in ("keys", "backup of keys"))
    assert instance.does("token", "--role", "auditor")


@pytest.mark.parametrize("name", ["signing", "token", "vault", "reference", "command"])
def test_a_start_without_one_of_the_keys_names_it_and_the_way_out_and_makes_none(instance, name):
    lost = instance.keys / f"{name}.key"
    lost.unlink()

    said = instance.fails("serve")

    assert str(lost) in said
    assert "mawid keys restore" in said
    assert (f"mawid keys rotate {name}" in said) == (name in ("signing", "token", "command"))
    assert not lost.exists()


def test_a_short_passphrase_is_refused_before_anything_is_written(instance):
    instance.fails("keys", "backup", str(instance.escrow), "--passphrase-file", "-", stdin="short\n")

    assert not instance.escrow.exists()


def test_a_backup_beside_the_keys_is_made_with_a_warning(instance):
    run = instance.run("keys", "backup", str(instance.keys / "copy"), "--passphrase-file", "-", stdin=WORDS)

    assert run.returncode == 0
    assert "WARNING" in run.stderr


@pytest.mark.parametrize(
    ("name", "options"), [("signing", []), ("signing", ["--end"]), ("token", []), ("command", ["--forget-retries"])]
)
def test_a_key_is_rotated_or_made_anew_when_it_is_lost_and_the_backup_is_then_an_old_one(instance, name, options):
    instance.back_up()
    if options == ["--end"]:
        instance.does("keys", "rotate", "signing")
    else:
        (instance.keys / f"{name}.key").unlink()

    instance.does("keys", "rotate", name, *options)

    assert instance.finding("keys").startswith("✓")
    assert instance.finding("backup of keys").startswith(f"! backup of keys: {name} not in")
    assert instance.does("publish", "CA-TB-01", "2026-12-01", "2026-12-02")


def test_a_command_key_is_not_given_up_without_saying_so(instance):
    before = (instance.keys / "command.key").read_bytes()

    said = instance.fails("keys", "rotate", "command")

    assert "--forget-retries" in said
    assert (instance.keys / "command.key").read_bytes() == before


def test_a_token_is_not_made_with_keys_made_anew_in_place_of_lost_ones(instance):
    (instance.keys / "vault.key").unlink()

    said = instance.fails("token", "--role", "auditor")

    assert str(instance.keys / "vault.key") in said
    assert not (instance.keys / "vault.key").exists()
