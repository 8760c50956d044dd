"""The key that makes a command one however often it is sent, and the fingerprint that tells two bodies apart."""

import re
from collections.abc import Callable, Mapping
from typing import Final

from api.problems import Problem

HEADER: Final = b"idempotency-key"
KEY_CHARACTERS_MAX: Final = 255
_KEY: Final = re.compile(rb"[\x20-\x7e]{1,%d}" % KEY_CHARACTERS_MAX)
#: Parts a key of ours from a key of the caller's: no caller's key can hold it.
_SEPARATOR: Final = "\x1f"


def key_of(headers: Mapping[bytes, bytes]) -> str:
    key = headers.get(HEADER)
    if key is None:
        raise Problem("idempotency-key-missing", "every command needs the header Idempotency-Key")
    if not _KEY.fullmatch(key):
        detail = f"Idempotency-Key is 1 to {KEY_CHARACTERS_MAX} printable ASCII characters"
        raise Problem("idempotency-key-missing", detail)
    return key.decode("ascii")


def part_key(key: str, part: str) -> str:
    """The key of one part of a command that is carried out in several."""
    return f"{key}{_SEPARATOR}{part}"


def fingerprint(hashed: Callable[[bytes], bytes], route: str, target: str, canonical: bytes) -> bytes:
    """Of what is asked for: neither its clock nor its key counts. `target`: what the path names."""
    return hashed(b"%s\0%s\0%s" % (route.encode(), target.encode(), canonical))
