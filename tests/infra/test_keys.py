import multiprocessing
import os
import stat
from base64 import urlsafe_b64encode
from dataclasses import fields
from hashlib import blake2b
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.keys import KeyFileError, KeyFiles, Keys, SecretKey, derive, key_id

NAMES = [each.name for each in fields(KeyFiles)]


def files_in(folder: Path) -> KeyFiles:
    return KeyFiles(**{name: folder / f"{name}.key" for name in NAMES})


def secrets_of(keys: Keys) -> list[bytes]:
    return [
        keys.signing.private_bytes_raw(),
        keys.token.private_bytes_raw(),
        keys.vault.secret,
        keys.reference.secret,
        keys.command,
    ]


def open_at_once(folder: Path, start: Barrier, found: "multiprocessing.Queue[list[bytes]]") -> None:
    start.wait(timeout=30)
    found.put(secrets_of(Keys.open(files_in(folder))))


@pytest.fixture
def files(tmp_path: Path) -> KeyFiles:
    return files_in(tmp_path / "keys")


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return Keys.open(files_in(tmp_path_factory.mktemp("instance") / "keys"))


def test_the_first_start_makes_five_private_files_that_say_what_they_are(files):
    keys = Keys.open(files)

    folder = files.vault.parent
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert sorted(path.name for path in folder.iterdir()) == sorted(f"{name}.key" for name in NAMES)
    for name, secret in zip(NAMES, secrets_of(keys), strict=True):
        path = folder / f"{name}.key"
        header, encoded = path.read_text().splitlines()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert header.startswith(f"mawid {name} key v1: ")
        assert encoded == urlsafe_b64encode(secret).decode().rstrip("=")


def test_every_secret_is_another(files):
    assert len({*secrets_of(Keys.open(files)), *secrets_of(Keys.open(files_in(files.vault.parent / "second")))}) == 10


def test_the_next_start_reads_the_same_keys_and_changes_nothing(files):
    first = Keys.open(files)
    folder = files.vault.parent
    before = {path: path.stat().st_mtime_ns for path in (folder, *folder.iterdir())}

    second = Keys.open(files)

    assert secrets_of(second) == secrets_of(first)
    assert {path: path.stat().st_mtime_ns for path in (folder, *folder.iterdir())} == before


def test_processes_that_start_together_agree_on_the_keys(tmp_path):
    spawn = multiprocessing.get_context("spawn")
    start, found = spawn.Barrier(4), spawn.Queue()
    processes = [spawn.Process(target=open_at_once, args=(tmp_path / "keys", start, found)) for _ in range(4)]
    for process in processes:
        process.start()

    secrets = [found.get(timeout=60) for _ in processes]
    for process in processes:
        process.join(timeout=60)

    assert [process.exitcode for process in processes] == [0, 0, 0, 0]
    assert secrets == [secrets_of(Keys.open(files_in(tmp_path / "keys")))] * 4
    assert len(list((tmp_path / "keys").iterdir())) == len(NAMES)


def test_without_creating_a_missing_file_is_refused_by_name(files):
    Keys.open(files)
    files.reference.unlink()

    with pytest.raises(KeyFileError, match="reference"):
        Keys.open(files, create=False)

    assert not files.reference.exists()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o644, 0o666, 0o610])
def test_a_file_open_to_others_is_refused_and_left_alone(files, mode):
    Keys.open(files)
    files.vault.chmod(mode)
    before = files.vault.read_bytes()

    with pytest.raises(KeyFileError) as refusal:
        Keys.open(files)

    assert str(files.vault) in str(refusal.value)
    assert files.vault.read_bytes() == before


def test_a_file_may_be_read_only_for_its_owner(files):
    first = Keys.open(files)
    files.vault.chmod(0o400)

    assert secrets_of(Keys.open(files)) == secrets_of(first)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n",
        b"\x00\xff" * 40,
        b"mawid vault key v1: seals\n",
        b"mawid vault key v1: seals\n" + b"A" * 42,
        b"mawid vault key v1: seals\n" + b"A" * 42 + b"B",
        b"mawid vault key v1: seals\n" + b"A" * 43 + b"=",
        b"mawid vault key v1: seals\n" + b"A" * 44,
        b"mawid vault key v1: seals\n" + b"+" * 42 + b"A",
        b"mawid vault key v1: seals\n" + b"A" * 20 + b"\n" + b"A" * 23,
        b"mawid vault key v1: seals\n" + b"A" * 43 + b"\n" + b"A" * 43,
        b"mawid vault key v2: seals\n" + b"A" * 43,
        b"mawid token key v1: signs\n" + b"A" * 43,
        b"A" * 43,
        b"mawid vault key v1: " + b"x" * 5000,
    ],
)
def test_a_garbled_file_is_refused_and_never_overwritten(files, content):
    Keys.open(files)
    files.vault.write_bytes(content)

    with pytest.raises(KeyFileError) as refusal:
        Keys.open(files)

    assert str(files.vault) in str(refusal.value)
    assert files.vault.read_bytes() == content


def test_a_file_edited_with_another_line_ending_still_opens(files):
    first = Keys.open(files)
    files.vault.write_bytes(files.vault.read_bytes().replace(b"\n", b"\r\n"))

    assert secrets_of(Keys.open(files)) == secrets_of(first)


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo], ids=["folder", "pipe"])
def test_something_else_at_the_place_of_a_file_is_refused(files, make):
    files.token.parent.mkdir()
    make(files.token, 0o600)

    with pytest.raises(KeyFileError) as refusal:
        Keys.open(files)

    assert str(files.token) in str(refusal.value)


def test_a_folder_that_cannot_be_made_is_refused_with_the_path(tmp_path):
    (tmp_path / "taken").write_text("a file")

    with pytest.raises(KeyFileError) as refusal:
        Keys.open(files_in(tmp_path / "taken" / "keys"))

    assert str(tmp_path / "taken" / "keys") in str(refusal.value)


def test_a_dangling_link_is_refused_and_not_followed(files):
    files.token.parent.mkdir(mode=0o700)
    files.token.symlink_to(files.token.parent / "elsewhere.key")

    with pytest.raises(KeyFileError):
        Keys.open(files)

    assert not (files.token.parent / "elsewhere.key").exists()


def test_no_secret_is_shown_when_keys_are_printed(keys):
    shown = f"{keys!r} {keys.vault!r} {keys}"

    assert keys.vault.id in shown
    for secret in secrets_of(keys):
        assert repr(secret) not in shown
        assert secret.hex() not in shown


def test_a_key_id_is_eight_hex_digits_and_tells_roles_apart():
    assert key_id("vault", b"k" * 32) == "f0caeb9e"
    assert key_id("reference", b"k" * 32) != key_id("vault", b"k" * 32)
    assert key_id("vault", b"l" * 32) != key_id("vault", b"k" * 32)


def test_derived_keys_differ_by_label_and_by_secret():
    derived = {derive(secret, label) for secret in (b"a" * 32, b"b" * 32) for label in ("wrap", "number lookup", "")}

    assert len(derived) == 6
    assert {len(each) for each in derived} == {32}


def test_what_is_computed_from_known_keys_never_changes():
    known: Any = object()
    keys = Keys(
        signing=known,
        token=known,
        vault=SecretKey("00000000", b"v" * 32),
        reference=SecretKey("00000000", b"r" * 32),
        command=b"c" * 32,
    )

    assert keys.command_id("staff@CA-TB-01", "k-1").hex() == "2140447a175f23d38117232bf7fe1e12"
    assert keys.fingerprint(b"{}").hex() == "a0805cd71651abe136e4064c40b990ba"
    assert keys.number_lookup("1010101010").hex() == "f16f541c12b3c13b4bd0868cdd8739669cee474870cf772775f498a6a5576dab"


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), st.text())
def test_a_command_id_is_a_keyed_hash_of_principal_and_key(keys, principal, key):
    expected = blake2b(
        principal.encode() + b"\0" + key.encode(), key=derive(keys.command, "command id"), digest_size=16
    )

    assert keys.command_id(principal, key) == expected.digest()
    assert keys.command_id(principal, key) == keys.command_id(principal, key)


def test_command_ids_are_scoped_to_the_principal(keys):
    ids = {keys.command_id(principal, key) for principal in ("a", "ab", "") for key in ("bc", "c", "abc", "")}

    assert len(ids) == 12
    assert keys.command_id("a", "\0b") != keys.command_id("a", "b")
    with pytest.raises(ValueError, match="NUL"):
        keys.command_id("a\0", "b")


def test_one_secret_never_answers_for_another_purpose(keys):
    text = "1010101010"

    assert keys.fingerprint(b"p\0k") != keys.command_id("p", "k")
    assert keys.number_lookup(text)[:16] != keys.fingerprint(text.encode())
    assert keys.number_lookup(text) != blake2b(text.encode(), key=keys.vault.secret, digest_size=32).digest()
