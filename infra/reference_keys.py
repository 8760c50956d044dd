"""A booking's secret reference, under the key that made it. No such key is rotated away: customers hold what it made.
A new one makes the references of new bookings, and a booking's first fact says which is its own.
"""

from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final

from domain.identifiers import reference_for
from infra.keys import KeyFileError, SecretKey

_KNOWN_MAX: Final = 50_000


class ReferenceKeys:
    """`key_of`: booking → id of its key, read from the log; asked only where there are several keys."""

    def __init__(self, keys: Sequence[SecretKey], file: Path, key_of: Callable[[str], str | None]) -> None:
        self._secrets = {key.id: key.secret for key in keys}
        self._newest = keys[-1].id
        self._file = file
        self._key_of = key_of
        self._known: dict[str, str] = {}

    def canonical(self, booking: str, key_id: str) -> str:
        """Raises KeyFileError where the key is not there."""
        secret = self._secrets.get(key_id)
        if secret is None:
            raise KeyFileError(
                f"The reference key file {self._file} lacks the key {key_id}, and bookings of this log were made with "
                "it: put the file with that key back from the backup of the keys."
            )
        return reference_for(booking, secret)

    def hash_of(self, booking: str, key_id: str) -> bytes:
        return reference_hash(self.canonical(booking, key_id))

    def canonical_of(self, booking: str) -> str:
        """May read the log: see `is_at_hand`."""
        return self.canonical(booking, self._id_of(booking))

    def is_at_hand(self, booking: str) -> bool:
        """Whether it can be told without reading anything."""
        return len(self._secrets) == 1 or booking in self._known

    def _id_of(self, booking: str) -> str:
        if len(self._secrets) == 1:
            return self._newest
        if booking not in self._known:
            self._known[booking] = self._key_of(booking) or self._newest
            if len(self._known) > _KNOWN_MAX:
                del self._known[next(iter(self._known))]
        return self._known[booking]


def reference_hash(canonical: str) -> bytes:
    """How the bookings view keeps a reference: enough to find it, useless to guess it from."""
    return sha256(canonical.encode()).digest()
