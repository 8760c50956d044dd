"""Values in PostgreSQL's binary formats, packed here: a batch is some twenty arrays, and psycopg dumps them element by
element, which took longer than deciding the batch.

An array is its dimensions (one), a flag, the type of its elements, their number, the index of the first (one), and then
each element as a 4-byte length and its bytes; a NULL is the length -1. Integers are big-endian.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from struct import Struct
from typing import Final

BOOL, BYTEA, INT8, TEXT, TIMESTAMPTZ = 16, 17, 20, 25, 1184  # pg_type.oid
ARRAY_OF: Final = {BOOL: 1000, BYTEA: 1001, INT8: 1016, TEXT: 1009, TIMESTAMPTZ: 1185}

_HEAD: Final = Struct(">iiIii")
_LENGTH: Final = Struct(">i")
_NULL: Final = _LENGTH.pack(-1)
_TRUE, _FALSE = b"\x01", b"\x00"
_UNIX_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
#: PostgreSQL counts from 2000-01-01.
_EPOCH_US: Final = (datetime(2000, 1, 1, tzinfo=UTC) - _UNIX_EPOCH) // _MICROSECOND


def microseconds(instant: datetime) -> int:
    """Since 1970-01-01T00:00:00Z, exactly: as leaves hash times."""
    return (instant - _UNIX_EPOCH) // _MICROSECOND


def int8(value: int) -> bytes:
    return value.to_bytes(8, "big", signed=True)


def timestamptz(since_1970_us: int) -> bytes:
    return int8(since_1970_us - _EPOCH_US)


def int8_array(values: Sequence[int | None]) -> bytes:
    return _array(INT8, [None if value is None else int8(value) for value in values])


def timestamptz_array(since_1970_us: Sequence[int]) -> bytes:
    return _array(TIMESTAMPTZ, [timestamptz(value) for value in since_1970_us])


def bool_array(values: Sequence[bool]) -> bytes:
    return _array(BOOL, [_TRUE if value else _FALSE for value in values])


def text_array(values: Sequence[str | None]) -> bytes:
    return _array(TEXT, [None if value is None else value.encode() for value in values])


def bytea_array(values: Sequence[bytes | None]) -> bytes:
    return _array(BYTEA, values)


def _array(element: int, values: Sequence[bytes | None]) -> bytes:
    if not values:
        return _HEAD.pack(0, 0, element, 0, 1)[:12]
    parts = [_HEAD.pack(1, 0, element, len(values), 1)]
    for value in values:
        if value is None:
            parts.append(_NULL)
        else:
            parts += (_LENGTH.pack(len(value)), value)
    return b"".join(parts)
