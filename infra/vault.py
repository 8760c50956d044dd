"""Personal data, sealed: a data key per person, wrapped by the vault's key-encryption key.

A sealed value is a 96-bit random nonce, then AES-256-GCM ciphertext with its 16-byte tag. The associated data names the
person and the field (and the key-encryption key for the wrapped key), so a value moved to another row or column
does not open. Destroying the row or the key-encryption key erases: what is left reads as `Erased`.
"""

import os
from dataclasses import dataclass, field
from struct import Struct
from typing import Any, Final, Literal, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from psycopg import Connection
from psycopg.rows import args_row

from infra.keys import Keys, derive

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
    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._kek_id = keys.vault.id
        self._kek = AESGCM(derive(keys.vault.secret, "wrap"))

    def lookup(self, number: str) -> bytes:
        """What finds a person by normalised number: 32 bytes, `vault.person.lookup`."""
        return self._keys.number_lookup(number)

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
        box = AESGCM(data_key)
        return SealedPerson(
            person,
            self.lookup(number),
            self._kek_id,
            _seal(self._kek, nonces[0], data_key, _wrap_context(person, self._kek_id)),
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
        return NumberUpdate(person, self.lookup(number), sealed)

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
        if self.lookup(number) != row.lookup:
            raise VaultError(f"the lookup of person {row.person} belongs to another number")
        return PersonData(
            number,
            None if row.name is None else _open_sealed(box, row.name, row.person, "name"),
            None if row.mobile is None else _open_sealed(box, row.mobile, row.person, "mobile"),
            None if row.language is None else _open_sealed(box, row.language, row.person, "language"),
        )

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
        if kek_id != self._kek_id or not wrapped_key:
            return Erased(person, "no-key")
        data_key = _open(self._kek, wrapped_key, _wrap_context(person, kek_id))
        if data_key is None or len(data_key) != _KEY_BYTES:
            raise VaultError(f"the wrapped key of person {person} was altered or belongs to another row")
        return AESGCM(data_key)


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
