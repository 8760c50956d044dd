"""Signed notes and checkpoints, as C2SP writes them down: signed-note, tlog-checkpoint, tlog-cosignature (Ed25519).

A note is a text, an empty line, and signature lines `— <key name> <base64(4-byte key id ‖ signature)>`. A checkpoint
is a note whose text is three lines: the log's origin, its size in decimal, its root in base64. A cosignature is the
signature line of a witness: it carries a time, and vouches that the checkpoint continues all that the witness has seen.
"""

import re
import struct
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

ED25519: Final = 1
COSIGNATURE: Final = 4
NOTE_BYTES_MAX: Final = 64 * 1024
SIGNATURES_MAX: Final = 64
SIZE_MAX: Final = 2**63 - 1

_KEY_BYTES: Final = 32
_ID_BYTES: Final = 4
_HASH_BYTES: Final = 32
_SIGNATURE_BYTES: Final = 64
_TIME: Final = struct.Struct(">Q")
_CONTROL: Final = re.compile(r"[\x00-\x09\x0b-\x1f]")
_DECIMAL: Final = re.compile(r"0|[1-9][0-9]{0,18}")
_HEX_ID: Final = re.compile(r"[0-9a-f]{8}")


class NoteError(ValueError):
    """What was given is no note, checkpoint or verifier key, or its signatures are not what they should be."""


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """Checks one signer's lines. As text: `<name>+<8 hex digits>+<base64(algorithm ‖ public key)>`."""

    name: str
    public: bytes
    algorithm: int = ED25519

    def __post_init__(self) -> None:
        if not is_key_name(self.name):
            raise NoteError(f"a key name is not empty and holds neither spaces nor a plus: {self.name!r}")
        if self.algorithm not in (ED25519, COSIGNATURE) or len(self.public) != _KEY_BYTES:
            raise NoteError("only Ed25519 keys are known here, plain (1) and of cosignatures (4)")

    @property
    def id(self) -> bytes:
        return sha256(self.name.encode() + b"\n" + self._material()).digest()[:_ID_BYTES]

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{b64encode(self._material()).decode()}"

    def accepts(self, text: str, signature: bytes) -> bool:
        """Whether `signature`, without its key id, is this key's over the note's text."""
        message = text.encode()
        if self.algorithm == COSIGNATURE:
            if len(signature) != _TIME.size + _SIGNATURE_BYTES:
                return False
            (time_s,) = _TIME.unpack_from(signature)
            if time_s > SIZE_MAX:
                return False
            message, signature = _cosigned(message, time_s), signature[_TIME.size :]
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except InvalidSignature:
            return False
        return True

    @classmethod
    def parse(cls, text: str) -> Self:
        name, _, rest = text.strip().partition("+")
        key_id, _, encoded = rest.partition("+")
        material = _base64(encoded)
        if not _HEX_ID.fullmatch(key_id) or len(material) != 1 + _KEY_BYTES:
            raise NoteError("a verifier key is written <name>+<8 hex digits>+<base64>")
        key = cls(name, material[1:], material[0])
        if key.id.hex() != key_id:
            raise NoteError(f"the verifier key of {name} does not have the id it is written with: a character is off")
        return key

    def _material(self) -> bytes:
        return bytes([self.algorithm]) + self.public


@dataclass(frozen=True, slots=True)
class Signature:
    name: str
    key_id: bytes
    signature: bytes

    def __str__(self) -> str:
        return f"— {self.name} {b64encode(self.key_id + self.signature).decode()}"

    def is_by(self, key: VerifierKey) -> bool:
        """It claims to be; whether it is, `accepts` tells."""
        return (self.name, self.key_id) == (key.name, key.id)


@dataclass(frozen=True, slots=True)
class Note:
    text: str  # ends with a newline
    signatures: tuple[Signature, ...]

    def __str__(self) -> str:
        return self.text + "\n" + "".join(f"{signature}\n" for signature in self.signatures)

    def signed_by(self, *known: VerifierKey) -> list[VerifierKey]:
        """Those of the known keys that have signed. NoteError: none has, or a line in a known key's name is not its.

        Lines of unknown keys count for nothing and do no harm: so keys change, and witnesses add theirs.
        """
        found: list[VerifierKey] = []
        for key in known:
            for signature in self.signatures:
                if signature.is_by(key):
                    if not key.accepts(self.text, signature.signature):
                        raise NoteError(f"the signature of {key.name}+{key.id.hex()} does not fit the text")
                    found.append(key)
        if not found:
            wanted = ", ".join(f"{key.name}+{key.id.hex()}" for key in known)
            raise NoteError(f"not signed by {wanted or 'any known key'}")
        return found

    def with_signatures(self, more: Iterable[Signature]) -> "Note":
        """A signer's newer line takes the place of its older one."""
        newer = tuple(more)
        replaced = {(each.name, each.key_id) for each in newer}
        kept = tuple(each for each in self.signatures if (each.name, each.key_id) not in replaced)
        return Note(self.text, kept + newer)

    @classmethod
    def parse(cls, content: str | bytes) -> Self:
        if len(content) > NOTE_BYTES_MAX:
            raise NoteError(f"a note is at most {NOTE_BYTES_MAX} bytes long")
        text = _text(content)
        if _CONTROL.search(text):
            raise NoteError("a note holds no control characters")
        body, blank, lines = text.rpartition("\n\n")
        if not blank or not lines.endswith("\n"):
            raise NoteError("a note is a text, an empty line, and signature lines, each ended by a newline")
        signatures = tuple(_signature(line) for line in lines[:-1].split("\n"))
        if len(signatures) > SIGNATURES_MAX:
            raise NoteError(f"a note has at most {SIGNATURES_MAX} signatures")
        return cls(body + "\n", signatures)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    origin: str  # the log's name, for ever
    size: int  # events
    root: bytes

    @property
    def text(self) -> str:
        return f"{self.origin}\n{self.size}\n{b64encode(self.root).decode()}\n"

    @classmethod
    def of(cls, note: Note) -> Self:
        """What a note says, whoever signed it. Extension lines are refused: nobody checks what they say."""
        lines = note.text.removesuffix("\n").split("\n")
        if len(lines) != 3 or not lines[0]:  # noqa: PLR2004 - origin, size, root
            raise NoteError("a checkpoint is three lines: origin, size, root")
        if not _DECIMAL.fullmatch(lines[1]) or (size := int(lines[1])) > SIZE_MAX:
            raise NoteError("a checkpoint's size is a whole number without leading zeroes")
        root = _base64(lines[2])
        if len(root) != _HASH_BYTES:
            raise NoteError(f"a checkpoint's root is {_HASH_BYTES} bytes in base64")
        return cls(lines[0], size, root)


def verifier_key(name: str, key: Ed25519PrivateKey, algorithm: int = ED25519) -> VerifierKey:
    return VerifierKey(name, key.public_key().public_bytes_raw(), algorithm)


def signed(text: str, name: str, keys: Iterable[Ed25519PrivateKey]) -> Note:
    """The text, signed by each of the keys in the same name."""
    lines = [Signature(name, verifier_key(name, key).id, key.sign(text.encode())) for key in keys]
    return Note(text, tuple(lines))


def cosignature(text: str, name: str, key: Ed25519PrivateKey, time_s: int) -> Signature:
    """A witness's line: that at this time (POSIX seconds) this was the largest consistent checkpoint it had seen."""
    signature = key.sign(_cosigned(text.encode(), time_s))
    return Signature(name, verifier_key(name, key, COSIGNATURE).id, _TIME.pack(time_s) + signature)


def cosigned_at_s(signature: Signature) -> int:
    """The time in a cosignature."""
    (time_s,) = _TIME.unpack_from(signature.signature)
    return int(time_s)


def is_key_name(name: str) -> bool:
    return bool(name) and "+" not in name and not re.search(r"\s", name) and not _CONTROL.search(name)


def _cosigned(message: bytes, time_s: int) -> bytes:
    return f"cosignature/v1\ntime {time_s}\n".encode() + message


def _signature(line: str) -> Signature:
    dash, _, rest = line.partition(" ")
    name, _, encoded = rest.partition(" ")
    if dash != "—" or not is_key_name(name):
        raise NoteError("a signature line is an em dash, a key name and a signature in base64")
    raw = _base64(encoded)
    if len(raw) <= _ID_BYTES:
        raise NoteError("a signature is a key id of 4 bytes and what was signed")
    return Signature(name, raw[:_ID_BYTES], raw[_ID_BYTES:])


def _text(content: str | bytes) -> str:
    try:
        return (content.encode() if isinstance(content, str) else content).decode()
    except UnicodeError as error:
        raise NoteError("a note is text in UTF-8") from error


def _base64(encoded: str) -> bytes:
    """Only as RFC 4648 writes it: one spelling for the same bytes."""
    try:
        raw = b64decode(encoded, validate=True)
    except (Base64Error, ValueError):
        raw = b""
    if not raw or b64encode(raw).decode() != encoded:
        raise NoteError(f"not base64: {encoded[:60]!r}")
    return raw
