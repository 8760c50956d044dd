"""Personal data, sealed: a data key per person, wrapped by the vault's key-encryption key.

A sealed value is a 96-bit random nonce, then AES-256-GCM ciphertext with its 16-byte tag. The associated data names the
person and the field (and the key-encryption key for the wrapped key), so a value moved to another row or column
does not open. Destroying the row or the key-encryption key erases: what is left reads as `Erased`. There may be several
key-encryption keys at a time (infra/vault_ring.py): each row says which is its own.
"""

import os
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from struct import Struct
from typing import Any, Final, Literal, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from psycopg import Connection
from psycopg.rows import args_row

from infra.keys import Keys
from infra.vault_ring import Epoch, Ring

_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16
# The randomness of one call of os.urandom: a data key and a nonce for each value sealed.
_PERSON_CHANCE: Final = Struct("32s12s12s12s12s12s")
_CONTACT_CHANCE: Final = Struct("12s12s12s")

_LOG_OPENING: Final = "INSERT INTO vault.opening (person, who, why) VALUES (%s, %s, %s)"
_READ_PERSON: Final = """
    SELECT person, lookup, kek_id, wrapped_key, number, name, mobile, language FROM vault.person WHERE person = %s
"""


class VaultError(Exception):
    """A sealed value is not what this vault wrote for that person and field."""


class SealedPerson(NamedTuple):
    """A row of `vault.person`, columns in the table's order."""

    person: str
    lookup: bytes
    kek_id: str
    wrapped_key: bytes
    number: bytes
    name: bytes | None
    mobile: bytes | None
    language: bytes | None


class ContactUpdate(NamedTuple):
    """Sealed values for columns of an existing row; None leaves the column as it is."""

    person: str
    name: bytes | None
    mobile: bytes | None
    language: bytes | None


class NumberUpdate(NamedTuple):
    """A new number for an existing row."""

    person: str
    lookup: bytes
    number: bytes


@dataclass(frozen=True, slots=True)
class PersonData:
    number: str = field(repr=False)
    name: str | None = field(repr=False)
    mobile: str | None = field(repr=False)
    language: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Erased:
    """The personal data is gone for good: no row, or sealed under a key this vault no longer has."""

    person: str
    cause: Literal["no-row", "no-key"]


class Vault:
    def __init__(self, keys: Keys, file: Path | None = None) -> None:
        """`file`: of the vault's keys, where a rotation puts another."""
        self._keys, self._file = keys, file
        self.ring = Ring(keys, file)

    def apart(self) -> "Vault":
        """Another, for a rotation: what it seals under is no business of the desk's before the desk reads it."""
        return Vault(self._keys, self._file)

    def lookup(self, number: str) -> bytes:
        """Who a normalised number is, for ever and everywhere but in the database: 32 bytes."""
        return self._keys.number_lookup(number)

    def stored_lookups(self, lookups: Collection[bytes]) -> dict[bytes, bytes]:
        """What finds their rows, `vault.person.lookup`, under each epoch there is → the lookup it stands for."""
        return {epoch.stored(lookup): lookup for epoch in self.ring.epochs.values() for lookup in lookups}

    def find_person(self, connection: Connection[Any], lookup: bytes) -> str | None:
        """Outside the append lock, for a reader."""
        self.ring.look_again()
        stored = list(self.stored_lookups([lookup]))
        row = connection.execute("SELECT person FROM vault.person WHERE lookup = ANY(%s)", (stored,)).fetchone()
        return row[0] if row is not None else None

    def new_person(
        self,
        person: str,
        number: str,
        *,
        name: str | None = None,
        mobile: str | None = None,
        language: str | None = None,
    ) -> SealedPerson:
        data_key, *nonces = _PERSON_CHANCE.unpack(os.urandom(_PERSON_CHANCE.size))
        box, epoch = AESGCM(data_key), self.ring.sealing
        return SealedPerson(
            person,
            epoch.stored(self.lookup(number)),
            epoch.id,
            _seal(epoch.kek, nonces[0], data_key, _wrap_context(person, epoch.id)),
            _seal(box, nonces[1], number.encode(), _context(person, "number")),
            _seal_text(box, nonces[2], name, person, "name"),
            _seal_text(box, nonces[3], mobile, person, "mobile"),
            _seal_text(box, nonces[4], language, person, "language"),
        )

    def reseal(
        self,
        person: str,
        kek_id: str,
        wrapped_key: bytes,
        *,
        name: str | None = None,
        mobile: str | None = None,
        language: str | None = None,
    ) -> ContactUpdate | Erased:
        """Later contact data of a known person, under the data key of their row."""
        box = self._data_key(person, kek_id, wrapped_key)
        if isinstance(box, Erased):
            return box
        nonces = _CONTACT_CHANCE.unpack(os.urandom(_CONTACT_CHANCE.size))
        return ContactUpdate(
            person,
            _seal_text(box, nonces[0], name, person, "name"),
            _seal_text(box, nonces[1], mobile, person, "mobile"),
            _seal_text(box, nonces[2], language, person, "language"),
        )

    def renumber(self, person: str, kek_id: str, wrapped_key: bytes, number: str) -> NumberUpdate | Erased:
        """Another number for a known person, under the data key of their row."""
        box = self._data_key(person, kek_id, wrapped_key)
        if isinstance(box, Erased):
            return box
        sealed = _seal(box, os.urandom(_NONCE_BYTES), number.encode(), _context(person, "number"))
        return NumberUpdate(person, self.ring.epochs[kek_id].stored(self.lookup(number)), sealed)

    def seal_note(self, person: str, kek_id: str, wrapped_key: bytes, about: str, text: str) -> bytes | Erased:
        """Free words about a booking or a fact (`vault.note.sealed`), under the data key of the person."""
        box = self._data_key(person, kek_id, wrapped_key)
        if isinstance(box, Erased):
            return box
        return _seal(box, os.urandom(_NONCE_BYTES), text.encode(), _context(person, f"note {about}"))

    def open_note(self, person: str, kek_id: str, wrapped_key: bytes, about: str, sealed: bytes) -> str | Erased:
        """The words; VaultError if they were altered, or belong to another person or to something else."""
        box = self._data_key(person, kek_id, wrapped_key)
        return box if isinstance(box, Erased) else _open_sealed(box, sealed, person, f"note {about}")

    def open(self, row: SealedPerson) -> PersonData | Erased:
        """What the row holds; VaultError if any of it was altered or belongs elsewhere, the lookup included."""
        box = self._data_key(row.person, row.kek_id, row.wrapped_key)
        if isinstance(box, Erased):
            return box
        number = _open_sealed(box, row.number, row.person, "number")
        if self.ring.epochs[row.kek_id].stored(self.lookup(number)) != row.lookup:
            raise VaultError(f"the lookup of person {row.person} belongs to another number")
        return PersonData(
            number,
            None if row.name is None else _open_sealed(box, row.name, row.person, "name"),
            None if row.mobile is None else _open_sealed(box, row.mobile, row.person, "mobile"),
            None if row.language is None else _open_sealed(box, row.language, row.person, "language"),
        )

    def rewrap(self, row: SealedPerson) -> SealedPerson | Erased:
        """Under the epoch that seals now, found as its rows are. The data key, and what it seals, stay."""
        epoch = self._epoch(row.person, row.kek_id, row.wrapped_key)
        if isinstance(epoch, Erased):
            return epoch
        data_key, sealing = _unwrapped(epoch, row.person, row.wrapped_key), self.ring.sealing
        number = _open_sealed(AESGCM(data_key), row.number, row.person, "number")
        context = _wrap_context(row.person, sealing.id)
        wrapped_key = _seal(sealing.kek, os.urandom(_NONCE_BYTES), data_key, context)
        stored = sealing.stored(self.lookup(number))
        return row._replace(lookup=stored, kek_id=sealing.id, wrapped_key=wrapped_key)

    def open_person(self, connection: Connection[Any], person: str, who: str, why: str) -> PersonData | Erased:
        """Read and open one person. The opening is logged in the transaction that reads, found or not.

        Outside a transaction of the caller's, the log line is committed before anything is opened.
        """
        with connection.transaction(), connection.cursor(row_factory=args_row(SealedPerson)) as cursor:
            cursor.execute(_LOG_OPENING, (person, who, why))
            row = cursor.execute(_READ_PERSON, (person,)).fetchone()
        # Opened after the block: a row that was tampered with must not take the log line back with it.
        return Erased(person, "no-row") if row is None else self.open(row)

    def _data_key(self, person: str, kek_id: str, wrapped_key: bytes) -> AESGCM | Erased:
        epoch = self._epoch(person, kek_id, wrapped_key)
        return epoch if isinstance(epoch, Erased) else AESGCM(_unwrapped(epoch, person, wrapped_key))

    def _epoch(self, person: str, kek_id: str, wrapped_key: bytes) -> Epoch | Erased:
        epoch = self.ring.epochs.get(kek_id)
        if epoch is None and self.ring.look_again():
            epoch = self.ring.epochs.get(kek_id)
        return Erased(person, "no-key") if epoch is None or not wrapped_key else epoch


def _unwrapped(epoch: Epoch, person: str, wrapped_key: bytes) -> bytes:
    data_key = _open(epoch.kek, wrapped_key, _wrap_context(person, epoch.id))
    if data_key is None or len(data_key) != _KEY_BYTES:
        raise VaultError(f"the wrapped key of person {person} was altered or belongs to another row")
    return data_key


def _context(person: str, field_name: str) -> bytes:
    return f"mawid vault v1\0{person}\0{field_name}".encode()


def _wrap_context(person: str, kek_id: str) -> bytes:
    return f"mawid vault v1\0{person}\0key\0{kek_id}".encode()


def _seal(box: AESGCM, nonce: bytes, value: bytes, context: bytes) -> bytes:
    return nonce + box.encrypt(nonce, value, context)


def _seal_text(box: AESGCM, nonce: bytes, value: str | None, person: str, field_name: str) -> bytes | None:
    return None if value is None else _seal(box, nonce, value.encode(), _context(person, field_name))


def _open(box: AESGCM, sealed: bytes, context: bytes) -> bytes | None:
    """The value, or None if it was altered or sealed for another place."""
    if len(sealed) < _NONCE_BYTES + _TAG_BYTES:
        return None
    try:
        return box.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], context)
    except InvalidTag:
        return None


def _open_sealed(box: AESGCM, sealed: bytes, person: str, field_name: str) -> str:
    value = _open(box, sealed, _context(person, field_name))
    if value is None:
        raise VaultError(f"the sealed {field_name} of person {person} was altered or belongs to another row")
    return value.decode()
