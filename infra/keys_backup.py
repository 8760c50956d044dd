"""The escrow of the keys: one file, sealed under a passphrase, from which they are put back where they were.

Three lines: what the file is and how it is opened; as JSON how it was sealed, when, and which keys are in it by the
digest of their files; the sealed content of the files. The first two are in clear, and any change of them is seen.
`keys.backed-up`, beside the vault's key, remembers the second line: so that `mawid doctor` can say what is not in it.
"""

import hashlib
import os
import secrets
import unicodedata
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final, NamedTuple

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from infra.kept_file import write_new, write_whole
from infra.keys import KeyFiles, Keys, file_content

PASSPHRASE_CHARACTERS_MIN: Final = 12
PASSPHRASE_CHARACTERS_MAX: Final = 1024

_FILE_BYTES_MAX: Final = 64 * 1024
_HEADER: Final = b"mawid keys backup v1: "
_PURPOSE: Final = b"the keys of an instance, sealed under a passphrase; open it with `mawid keys restore`.\n"
#: 128 MiB and half a second to one a guess.
_SCRYPT_N: Final = 1 << 17


class KeysBackupError(Exception):
    """One sentence with the file and the way out."""


class Sealing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    made_at: datetime
    keys: Annotated[dict[str, str], msgspec.Meta(max_length=16)]  # name → digest of its file
    salt: Annotated[bytes, msgspec.Meta(min_length=16, max_length=64)]
    nonce: Annotated[bytes, msgspec.Meta(min_length=12, max_length=12)]
    # A file that somebody else has written must not cost a gigabyte to refuse.
    n: Annotated[int, msgspec.Meta(ge=1 << 14, le=1 << 19)]
    r: Annotated[int, msgspec.Meta(ge=8, le=8)] = 8
    p: Annotated[int, msgspec.Meta(ge=1, le=1)] = 1


class Restored(NamedTuple):
    made_at: datetime
    put_back: list[Path]
    there_already: list[Path]


class State(NamedTuple):
    made_at: datetime
    not_in_it: list[str]  # names of keys that are other ones by now


def back_up(files: KeyFiles, verifiers: Path, target: Path, passphrase: str, now: datetime) -> list[str]:
    """Into a new file, which is opened again before the backup counts. The names of what is in it."""
    Keys.open(files, create=False)
    held = _contents(files)
    if verifiers.exists():
        held["verifiers"] = verifiers.read_bytes()
    digests = {name: digest(content) for name, content in held.items()}
    sealing = Sealing(now, digests, secrets.token_bytes(16), secrets.token_bytes(12), _SCRYPT_N)
    start = _HEADER + _PURPOSE + msgspec.json.encode(sealing) + b"\n"
    sealed = AESGCM(_key(sealing, passphrase)).encrypt(sealing.nonce, msgspec.json.encode(held), start)
    with _failing(target):
        try:
            write_new(target, start + b64encode(sealed) + b"\n")
        except FileExistsError as error:
            raise KeysBackupError(f"{target} is there already: name another file for the backup.") from error
    if opened(target, passphrase)[1] != held:
        raise KeysBackupError(f"{target} does not say what was written to it: try another disk.")
    _mark(files, sealing)
    return list(held)


def opened(source: Path, passphrase: str) -> tuple[Sealing, dict[str, bytes]]:
    with _failing(source), source.open("rb") as file:
        content = file.read(_FILE_BYTES_MAX)
    header, _, rest = content.partition(b"\n")
    told, _, encoded = rest.partition(b"\n")
    no_backup = f"{source} is no backup of keys: name the file that `mawid keys backup` made."
    if not header.startswith(_HEADER):
        raise KeysBackupError(no_backup)
    try:
        sealing = msgspec.json.decode(told, type=Sealing)
        sealed = b64decode(encoded.strip(), validate=True)
        key = _key(sealing, passphrase)
    except (ValueError, Base64Error, msgspec.DecodeError) as error:
        raise KeysBackupError(no_backup) from error
    try:
        plain = AESGCM(key).decrypt(sealing.nonce, sealed, content[: len(header) + len(told) + 2])
    except InvalidTag as error:
        raise KeysBackupError(
            f"The passphrase does not open {source}, or the file was changed: try again, then another copy of it."
        ) from error
    return sealing, msgspec.json.decode(plain, type=dict[str, bytes])


def put_back(files: KeyFiles, verifiers: Path, source: Path, passphrase: str) -> Restored:
    """What is missing is put back; nothing is touched if another key is in the place of one. Killed: the same again."""
    sealing, held = opened(source, passphrase)
    missing, there = _compared(files, verifiers, held)
    for path, content in missing.items():
        with _failing(path):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_new(path, content)
    Keys.open(files, create=False)
    _mark(files, sealing)
    return Restored(sealing.made_at, list(missing), there)


def state(files: KeyFiles) -> State | None:
    """Of the last backup, compared with the keys as they are. None: none is known."""
    mark = _mark_file(files)
    try:
        sealing = msgspec.json.decode(mark.read_bytes(), type=Sealing)
    except (OSError, msgspec.DecodeError):
        return None
    now = {name: digest(content) for name, content in _contents(files).items()}
    return State(sealing.made_at, [name for name, each in now.items() if sealing.keys.get(name) != each])


def digest(content: bytes) -> str:
    """8 hex digits that tell one key file from another, and nothing about the key."""
    return hashlib.sha256(b"mawid key file v1\0" + content).hexdigest()[:8]


def _compared(files: KeyFiles, verifiers: Path, held: Mapping[str, bytes]) -> tuple[dict[Path, bytes], list[Path]]:
    paths: dict[str, Path] = asdict(files)
    missing, there = {}, []
    for name, path in paths.items():
        if not path.exists():
            missing[path] = held[name]
        elif file_content(name, path) == held[name]:
            there.append(path)
        else:
            raise KeysBackupError(
                f"{path} holds another {name} key than the backup: if that one is to go, move it away first."
            )
    if "verifiers" in held and not verifiers.exists():  # it may have grown since, and is no secret
        missing[verifiers] = held["verifiers"]
    return missing, there


def _contents(files: KeyFiles) -> dict[str, bytes]:
    paths: dict[str, Path] = asdict(files)
    return {name: file_content(name, path) for name, path in paths.items()}


def _key(sealing: Sealing, passphrase: str) -> bytes:
    """Of the same words however a keyboard composes their letters."""
    words = unicodedata.normalize("NFC", passphrase).encode()
    return Scrypt(salt=sealing.salt, length=32, n=sealing.n, r=sealing.r, p=sealing.p).derive(words)


def _mark(files: KeyFiles, sealing: Sealing) -> None:
    path = _mark_file(files)
    with _failing(path):
        write_whole(path, msgspec.json.encode(sealing) + b"\n")


def _mark_file(files: KeyFiles) -> Path:
    return files.vault.with_name("keys.backed-up")


@contextmanager
def _failing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise KeysBackupError(
            f"{path} cannot be read or written ({os.strerror(error.errno or 0)}): name another file or folder."
        ) from error
