"""The instance's secrets: five key files, made on the first start, and what is computed from them alone.

A key file is text, two lines, mode 0600: a line that begins `mawid <name> key v1` and says what the key is for, then
32 random bytes in base64url without padding. Every use of a secret has a key of its own, derived under a label.
The vault's key is rotated, and a reference key may be added: the file is then a v2 and holds several.
"""

import hashlib
import hmac
import os
import secrets
import stat
from base64 import urlsafe_b64decode
from binascii import Error as Base64Error
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from infra.kept_file import write_new, write_whole
from infra.key_epochs import EPOCHS_MAX, Epoch, Epochs, encoded, epochs_in, lines_of, secrets_in
from infra.settings import Settings

SECRET_BYTES: Final = 32
COMMAND_ID_BYTES: Final = 16

_FILE_BYTES_MAX: Final = 1024
_KEEP: Final = ". Keep it secret, and a copy elsewhere.\n"
_PURPOSES: Final = {
    "signing": "signs the checkpoints of the log",
    "token": "signs the bearer tokens of this instance's own issuer",
    "vault": "seals personal data and finds a person by number; without it both are lost for good",
    "reference": "makes the secret references of bookings; never replace it",
    "witness": "cosigns checkpoints of logs that it watches",
    "command": "makes command ids and request fingerprints, so that a retry is recognised",
}

#: What else can be done about a lost key; of the vault's and the references' there is nothing else.
_WITHOUT_BACKUP: Final = {
    "signing": ", or make a new one with `mawid keys rotate signing`: what the old one signed stays valid.",
    "token": ", or make a new one with `mawid keys rotate token`: everybody then needs a new token.",
    "command": ", or make a new one with `mawid keys rotate command`: retries of earlier commands are then unknown.",
}


class KeyFileError(Exception):
    """A key file cannot be used; the message is one sentence with the path and the way out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFiles:
    signing: Path
    token: Path
    vault: Path
    reference: Path
    command: Path

    @classmethod
    def named_in(cls, settings: Settings) -> Self:
        keys = settings.keys
        return cls(
            signing=keys.signing_key_file,
            token=keys.token_key_file,
            vault=keys.vault_key_file,
            reference=keys.reference_key_file,
            command=keys.command_key_file,
        )


@dataclass(frozen=True, slots=True)
class SecretKey:
    id: str  # 8 hex digits, safe to store beside what the key made
    secret: bytes = field(repr=False)


@dataclass(frozen=True, eq=False, kw_only=True)
class Keys:
    signing: Ed25519PrivateKey = field(repr=False)
    token: Ed25519PrivateKey = field(repr=False)
    vault: SecretKey
    reference: SecretKey  # makes the references of new bookings
    command: bytes = field(repr=False)
    vault_older: tuple[SecretKey, ...] = ()  # that still open what the vault's key has not sealed anew yet
    reference_older: tuple[SecretKey, ...] = ()  # that made those of older bookings
    numbers: bytes = field(repr=False, default=b"")  # makes a number's pseudonym; empty: derived from the vault's key

    @classmethod
    def open(cls, files: KeyFiles, *, create: bool = True) -> Self:
        """Read the five files; a missing one is made, or refused with `create=False`.

        Refuse once there are facts: a fresh vault key beside old rows would find nobody and open nothing.
        """
        load = read_or_make_key if create else read_key
        load("vault", files.vault)
        kept = vault_epochs(files.vault)
        *older, vault = (epoch_key(epoch) for epoch in kept.epochs)
        load("reference", files.reference)
        *reference_older, reference = (
            SecretKey(key_id("reference", each), each) for each in reference_secrets(files.reference)
        )
        return cls(
            signing=Ed25519PrivateKey.from_private_bytes(load("signing", files.signing)),
            token=Ed25519PrivateKey.from_private_bytes(load("token", files.token)),
            vault=vault,
            vault_older=tuple(older),
            numbers=kept.numbers,
            reference=reference,
            reference_older=tuple(reference_older),
            command=load("command", files.command),
        )

    def command_id(self, principal: str, key: str) -> bytes:
        """16 bytes that name one command of one stable principal; the same for every retry with the same key."""
        if "\0" in principal:
            raise ValueError("a principal holds no NUL: it separates principal and key")
        mac = self._command_mac.copy()
        mac.update(f"{principal}\0{key}".encode())
        return mac.digest()

    def fingerprint(self, data: bytes) -> bytes:
        """16 bytes that tell two bodies under one key apart without keeping either."""
        mac = self._fingerprint_mac.copy()
        mac.update(data)
        return mac.digest()

    def number_lookup(self, number: str) -> bytes:
        """32 bytes that find a person by normalised number; keyed, for the 2·10^8 numbers could all be tried."""
        mac = self._number_mac.copy()
        mac.update(number.encode())
        return mac.digest()

    # A keyed hash state is copied for each message: setting the key up again costs more than the message.
    @cached_property
    def _command_mac(self) -> hashlib.blake2b:
        return hashlib.blake2b(key=derive(self.command, "command id"), digest_size=COMMAND_ID_BYTES)

    @cached_property
    def _fingerprint_mac(self) -> hashlib.blake2b:
        return hashlib.blake2b(key=derive(self.command, "fingerprint"), digest_size=COMMAND_ID_BYTES)

    @cached_property
    def _number_mac(self) -> hashlib.blake2b:
        return hashlib.blake2b(key=self.numbers or _numbers(self.vault.secret), digest_size=32)


def vault_epochs(path: Path) -> Epochs:
    """Every key of the vault that this instance still has; the last one seals. Raises KeyFileError."""
    header, lines = _content("vault", path)
    if header.startswith(_header("vault", 1)):
        secret = _secret("vault", path, header, lines)
        return Epochs(_numbers(secret), [Epoch(None, secret)])
    kept = epochs_in(lines) if header.startswith(_header("vault", 2)) else None
    if kept is None:
        raise _no_key("vault", path)
    return kept


def reference_secrets(path: Path) -> list[bytes]:
    """Every key that has made references; the last one makes those of new bookings. Raises KeyFileError."""
    header, lines = _content("reference", path)
    if header.startswith(_header("reference", 1)):
        return [_secret("reference", path, header, lines)]
    several = secrets_in(lines) if header.startswith(_header("reference", 2)) else None
    if several is None:
        raise _no_key("reference", path)
    return several


def add_reference_key(path: Path) -> None:
    content = _header("reference", 2) + f"{_PURPOSES['reference']}{_KEEP}".encode()
    several = [*reference_secrets(path), secrets.token_bytes(SECRET_BYTES)]
    if len(several) > EPOCHS_MAX:
        raise KeyFileError(f"The reference key file {path} holds {EPOCHS_MAX} keys, and no more can be added.")
    _replace("reference", path, content + "".join(f"{encoded(each)}\n" for each in several).encode())


def replace_vault_epochs(path: Path, kept: Epochs) -> None:
    """Whole and durable under its name, or as it was. What it held before is overwritten where the disk allows it."""
    try:
        before = os.open(path, os.O_WRONLY)
        try:
            write_whole(path, _header("vault", 2) + f"{_PURPOSES['vault']}{_KEEP}".encode() + lines_of(kept))
            os.write(before, bytes(os.fstat(before).st_size))
            os.fsync(before)
        finally:
            os.close(before)
    except OSError as error:
        raise KeyFileError(
            f"The vault key file {path} cannot be replaced ({error.strerror}): let this user write to its folder."
        ) from error


def epoch_key(epoch: Epoch) -> SecretKey:
    return SecretKey(key_id("vault", epoch.secret), epoch.secret)


def _numbers(secret: bytes) -> bytes:
    return derive(secret, "number lookup")


def derive(secret: bytes, label: str) -> bytes:
    """A 32-byte key for one purpose: HMAC-SHA256(secret, label). Knowing it tells nothing about another label's."""
    return hmac.digest(secret, f"mawid derive v1: {label}".encode(), "sha256")


def key_id(name: str, material: bytes) -> str:
    """8 hex digits of SHA-256 over the key; `name` keeps equal bytes in two roles apart."""
    return hashlib.sha256(f"mawid key id v1: {name}\0".encode() + material).hexdigest()[:8]


def read_or_make_key(name: str, path: Path) -> bytes:
    try:
        if not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _create(name, path)
    except OSError as error:
        raise KeyFileError(
            f"The {name} key cannot be made at {path} ({error.strerror}): "
            "name a folder this user can write to, or put the key file there."
        ) from error
    return read_key(name, path)


def _create(name: str, path: Path) -> None:
    """Make the file whole and durable under another name, then link it: a reader sees all of it or none of it.

    Linking refuses an existing name, so of two processes that start together one wins and both read the same key.
    """
    with suppress(FileExistsError):
        write_new(path, _fresh(name))


def replace_key(name: str, path: Path) -> None:
    """A new key, whole and durable, or the old one."""
    _replace(name, path, _fresh(name))


def _replace(name: str, path: Path, content: bytes) -> None:
    try:
        write_whole(path, content)
    except OSError as error:
        raise KeyFileError(
            f"The {name} key file {path} cannot be replaced ({error.strerror}): let this user write to its folder."
        ) from error


def _fresh(name: str) -> bytes:
    secret = encoded(secrets.token_bytes(SECRET_BYTES))
    return _header(name, 1) + f"{_PURPOSES[name]}{_KEEP}{secret}\n".encode()


def read_key(name: str, path: Path) -> bytes:
    header, rest = _content(name, path)
    if name in ("vault", "reference") and header.startswith(_header(name, 2)):
        return b""  # several: `vault_epochs` and `reference_secrets` read them
    return _secret(name, path, header, rest)


def _content(name: str, path: Path) -> tuple[bytes, bytes]:
    """The first line, and what follows it."""
    header, _, rest = file_content(name, path).partition(b"\n")
    return header, rest


def file_content(name: str, path: Path) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe at this path must not hold up the start
        try:
            status = os.fstat(descriptor)
            content = os.read(descriptor, _FILE_BYTES_MAX)
        finally:
            os.close(descriptor)
    except FileNotFoundError as error:
        raise KeyFileError(
            f"The {name} key file {path} is missing: put it back from the backup of the keys (`mawid keys restore`)"
            f"{_WITHOUT_BACKUP.get(name, '.')}"
        ) from error
    except OSError as error:
        raise KeyFileError(
            f"The {name} key file {path} cannot be read ({error.strerror}): "
            "make it readable for this user, or name another file."
        ) from error
    _refuse_open_to_others(name, path, status)
    return content


def _secret(name: str, path: Path, header: bytes, rest: bytes) -> bytes:
    text = rest.strip()
    if header.startswith(_header(name, 1)):
        try:
            secret = urlsafe_b64decode(text + b"=")
        except Base64Error:
            secret = b""
        if len(secret) == SECRET_BYTES and encoded(secret).encode() == text:
            return secret
    raise _no_key(name, path)


def _header(name: str, version: int) -> bytes:
    return f"mawid {name} key v{version}: ".encode()


def _no_key(name: str, path: Path) -> KeyFileError:
    return KeyFileError(
        f"The file {path} does not hold a {name} key: put the right one back from the backup of the keys, "
        "or name another file."
    )


def _refuse_open_to_others(name: str, path: Path, status: os.stat_result) -> None:
    """The rule of PostgreSQL's TLS key: owner only, except that root may let a group read (mounted secrets)."""
    ours = status.st_uid == os.geteuid()
    forbidden = stat.S_IRWXO | (stat.S_IRWXG if ours else stat.S_IWGRP | stat.S_IXGRP)
    if not (ours or status.st_uid == 0) or status.st_mode & forbidden:
        raise KeyFileError(
            f"The {name} key file {path} can be read or changed by other users: "
            f"make it this user's own with `chown` and `chmod 600 {path}`."
        )
