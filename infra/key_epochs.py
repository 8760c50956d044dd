"""The vault's key file once it holds several epochs: what it says, line by line. infra/keys.py reads and writes it.

`mawid vault key v2: …`, then `numbers` and the key that makes a number's pseudonym, which stays; then a line an epoch,
since when it seals and its secret, the oldest first. A v1 file is one epoch, from which the numbers' key is derived.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

SECRET_BYTES: Final = 32
EPOCHS_MAX: Final = 8
_FIRST: Final = "first"


class Epoch(NamedTuple):
    since: datetime | None  # None: from the first start on
    secret: bytes

    def __repr__(self) -> str:
        return f"Epoch(since={self.since})"


class Epochs(NamedTuple):
    numbers: bytes
    epochs: Sequence[Epoch]

    def __repr__(self) -> str:
        return f"Epochs({list(self.epochs)})"


def lines_of(kept: Epochs) -> bytes:
    lines = [f"numbers {encoded(kept.numbers)}"]
    for since, secret in kept.epochs:
        start = since.astimezone(UTC).isoformat(timespec="seconds") if since is not None else _FIRST
        lines.append(f"{start} {encoded(secret)}")
    return "\n".join([*lines, ""]).encode()


def epochs_in(lines: bytes) -> Epochs | None:
    """None: these are no such lines."""
    try:
        (name, numbers), *rest = (line.split(" ") for line in lines.decode("ascii").splitlines())
        epochs = [Epoch(_instant(since), _secret(text)) for since, text in rest]
        kept = Epochs(_secret(numbers), epochs)
    except (ValueError, Base64Error):
        return None
    return kept if name == "numbers" and 1 <= len(epochs) <= EPOCHS_MAX else None


def secrets_in(lines: bytes) -> list[bytes] | None:
    """Of the references: one a line, the oldest first. None: these are no such lines."""
    try:
        several = [_secret(line) for line in lines.decode("ascii").splitlines()]
    except (ValueError, Base64Error):
        return None
    return several if 1 <= len(several) <= EPOCHS_MAX else None


def encoded(secret: bytes) -> str:
    return urlsafe_b64encode(secret).rstrip(b"=").decode()


def _secret(text: str) -> bytes:
    secret = urlsafe_b64decode(text + "=")
    if len(secret) != SECRET_BYTES or encoded(secret) != text:
        raise ValueError
    return secret


def _instant(text: str) -> datetime | None:
    if text == _FIRST:
        return None
    since = datetime.fromisoformat(text)
    if since.tzinfo is None:
        raise ValueError
    return since
