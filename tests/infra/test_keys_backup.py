"""The escrow of the keys: what is lost comes back from one file and a passphrase, and from nothing less."""

import stat
from dataclasses import asdict
from datetime import UTC, datetime

import pytest

from infra import keys_backup
from infra.key_epochs import Epoch
from infra.keys import KeyFileError, KeyFiles, Keys, replace_vault_epochs, vault_epochs
from infra.keys_backup import KeysBackupError, back_up, opened, put_back, state
from tests.infra.test_keys import files_in, secrets_of

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
WORDS = "مفتاح الخزنة في مكان آخر"


class Escrow:
    def __init__(self, folder):
        self.folder = folder / "keys"
        self.files: KeyFiles = files_in(self.folder)
        self.keys = Keys.open(self.files)
        self.verifiers = self.folder / "signing.verifiers"
        self.verifiers.write_text("mawid/0f+1+AAAA\n")
        self.target = folder / "elsewhere"

    def make(self, passphrase=WORDS):
        return back_up(self.files, self.verifiers, self.target, passphrase, NOW)

    def put_back(self, passphrase=WORDS):
        return put_back(self.files, self.verifiers, self.target, passphrase)

    def stored(self):
        return {path.name: path.read_bytes() for path in self.folder.iterdir() if path.name != "keys.backed-up"}


@pytest.fixture
def escrow(tmp_path, monkeypatch):
    monkeypatch.setattr(keys_backup, "_SCRYPT_N", 1 << 14)  # what is tested is not how long a guess takes
    return Escrow(tmp_path)


def rotate_the_vault(escrow):
    kept = vault_epochs(escrow.files.vault)
    replace_vault_epochs(escrow.files.vault, kept._replace(epochs=[*kept.epochs, Epoch(NOW, b"n" * 32)]))


def test_all_keys_come_back_byte_for_byte_and_private(escrow):
    before = escrow.stored()
    escrow.make()
    for path in escrow.folder.iterdir():
        path.unlink()
    escrow.folder.rmdir()

    restored = escrow.put_back()

    assert escrow.stored() == before
    assert secrets_of(Keys.open(escrow.files, create=False)) == secrets_of(escrow.keys)
    assert (restored.made_at, len(restored.put_back), restored.there_already) == (NOW, 6, [])
    assert stat.S_IMODE(escrow.folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in escrow.folder.iterdir()} == {0o600}


def test_every_epoch_of_the_vault_is_in_it(escrow):
    rotate_the_vault(escrow)
    before = vault_epochs(escrow.files.vault)
    escrow.make()
    escrow.files.vault.unlink()

    escrow.put_back()

    assert vault_epochs(escrow.files.vault) == before


@pytest.mark.parametrize("name", ["signing", "token", "vault", "reference", "command"])
def test_one_lost_key_comes_back_beside_the_others(escrow, name):
    before = escrow.stored()
    escrow.make()
    asdict(escrow.files)[name].unlink()

    restored = escrow.put_back()

    assert restored.put_back == [asdict(escrow.files)[name]]
    assert escrow.stored() == before
    assert escrow.put_back().put_back == []


def test_nothing_is_put_over_or_beside_another_key(escrow):
    escrow.make()
    escrow.files.token.unlink()
    escrow.files.vault.unlink()
    Keys.open(escrow.files)
    escrow.files.signing.unlink()
    before = escrow.stored()

    with pytest.raises(KeysBackupError) as refusal:
        escrow.put_back()

    assert str(escrow.files.token) in str(refusal.value)
    assert escrow.stored() == before


def test_the_file_is_private_says_what_it_is_and_holds_no_key_in_clear(escrow):
    escrow.make()

    content = escrow.target.read_bytes()
    assert stat.S_IMODE(escrow.target.stat().st_mode) == 0o600
    assert content.startswith(b"mawid keys backup v1: ")
    for name, path in asdict(escrow.files).items():
        assert name.encode() in content
        assert path.read_bytes().split(b"\n")[1] not in content
    assert not any(secret in content for secret in secrets_of(escrow.keys))


def test_a_file_that_is_there_is_not_overwritten(escrow):
    escrow.target.write_text("other things")

    with pytest.raises(KeysBackupError):
        escrow.make()

    assert escrow.target.read_text() == "other things"
    assert state(escrow.files) is None


def test_another_passphrase_opens_nothing(escrow):
    escrow.make()
    escrow.files.vault.unlink()

    with pytest.raises(KeysBackupError):
        escrow.put_back(WORDS + " ")

    assert not escrow.files.vault.exists()


def test_the_same_words_open_it_however_their_letters_are_composed(escrow):
    escrow.make("caf\N{LATIN SMALL LETTER E WITH ACUTE} in the harbour")

    _, held = opened(escrow.target, "cafe\N{COMBINING ACUTE ACCENT} in the harbour")

    assert set(held) == {*asdict(escrow.files), "verifiers"}


def test_every_changed_byte_is_seen(escrow):
    escrow.make()
    content = escrow.target.read_bytes()
    told = content.index(b"\n", content.index(b"\n") + 1)

    for place in (25, content.index(b"2026") + 3, content.index(b'"vault":"') + 9, told + 20, len(content) - 9):
        changed = bytearray(content)
        changed[place] ^= 1
        escrow.target.write_bytes(changed)
        with pytest.raises(KeysBackupError):
            opened(escrow.target, WORDS)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"mawid keys backup v1: x\n",
        b"mawid keys backup v1: x\n{}\nAAAA\n",
        b"mawid keys backup v2: x\n{}\nAAAA\n",
        b'mawid keys backup v1: x\n{"made_at":"2026-01-01T00:00:00Z","keys":{},"salt":"' + b"A" * 24
        + b'","nonce":"AAAAAAAAAAAAAAAA","n":1099511627776}\nAAAA\n',
        b"\x00\xff" * 100_000,
    ],
)  # fmt: skip
def test_what_is_no_backup_is_said_to_be_none_and_costs_nothing(escrow, content):
    escrow.target.write_bytes(content)

    with pytest.raises(KeysBackupError) as refusal:
        escrow.put_back()

    assert str(escrow.target) in str(refusal.value)


def test_a_missing_key_is_not_backed_up_as_if_it_were_there(escrow):
    escrow.files.command.unlink()

    with pytest.raises(KeyFileError):
        escrow.make()

    assert not escrow.target.exists()


def test_what_changed_since_the_last_backup_is_known(escrow):
    assert state(escrow.files) is None
    escrow.make()
    after_backup = state(escrow.files)
    rotate_the_vault(escrow)

    after_rotation = state(escrow.files)

    assert (after_backup.made_at, after_backup.not_in_it) == (NOW, [])
    assert after_rotation.not_in_it == ["vault"]


def test_after_a_restore_the_backup_is_known_again(escrow):
    escrow.make()
    for path in escrow.folder.iterdir():
        path.unlink()

    escrow.put_back()

    assert state(escrow.files) == (NOW, [])


def test_a_folder_that_is_not_there_is_named(escrow):
    escrow.target = escrow.target / "no" / "folder"

    with pytest.raises(KeysBackupError) as refusal:
        escrow.make()

    assert str(escrow.target) in str(refusal.value)
