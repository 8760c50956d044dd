"""The vault's keys as one process has them: each epoch wraps data keys, and says how its rows are found by number.

A number's pseudonym (Keys.number_lookup) is the same for ever: it is what a citizen's token holds, and is never stored.
A row keeps a keyed hash of it that goes with its epoch: once the epoch's key is destroyed, an old copy of the row tells
neither whose it is nor whether a number was known.
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from infra.keys import KeyFileError, Keys, SecretKey, derive, epoch_key, vault_epochs


class Epoch:
    __slots__ = ("_mac", "id", "kek")

    def __init__(self, key: SecretKey) -> None:
        self.id: Final = key.id
        self.kek: Final = AESGCM(derive(key.secret, "wrap"))
        self._mac = hashlib.blake2b(key=derive(key.secret, "stored lookup"), digest_size=32)

    def stored(self, lookup: bytes) -> bytes:
        """How a row of this epoch is found: 32 bytes, `vault.person.lookup`."""
        mac = self._mac.copy()
        mac.update(lookup)
        return mac.digest()


class Ring:
    """`file`: read again when it changes, as by a rotation; None: what was given is all there is."""

    def __init__(self, keys: Keys, file: Path | None) -> None:
        self._file: Final = file
        self._seen: tuple[int, int, int] | None = None
        self._epochs = _epochs([*keys.vault_older, keys.vault])
        self._sealing = self._epochs[keys.vault.id]
        self.look_again()

    @property
    def epochs(self) -> Mapping[str, Epoch]:
        return self._epochs

    @property
    def sealing(self) -> Epoch:
        """Changed by whoever holds the append lock, and by nothing else."""
        return self._sealing

    @property
    def newest(self) -> str:
        return next(reversed(self._epochs))

    def seal_under(self, kek_id: str) -> bool:
        """Whether the process knows this epoch: it seals under it from here on."""
        if kek_id not in self._epochs:
            self.look_again()
        if kek_id not in self._epochs:
            return False
        self._sealing = self._epochs[kek_id]
        return True

    def look_again(self) -> bool:
        """Whether the file has changed. What cannot be read now leaves the keys as they are."""
        version = self._version()
        if self._file is None or version == self._seen:
            return False
        try:
            epochs = vault_epochs(self._file).epochs
        except KeyFileError:
            return False
        self._seen = version
        self._epochs = _epochs([epoch_key(epoch) for epoch in epochs])
        return True

    def _version(self) -> tuple[int, int, int] | None:
        if self._file is None:
            return None
        try:
            found = self._file.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size


def _epochs(keys: Sequence[SecretKey]) -> dict[str, Epoch]:
    return {key.id: Epoch(key) for key in keys}
