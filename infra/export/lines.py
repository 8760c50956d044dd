"""Rows of the log, as PostgreSQL's binary COPY sends them, become lines of an export: what is there, whatever it is.

A line is one JSON object in one form, without a space, so that a reader may take it apart by a pattern:

    {"position":1,"stream":"…","stream_version":1,"type":"…","person":"…" or null,"booking":"…" or null,
     "command_id":"<hex>" or null,"at":"2011-01-01T06:00:00.000000Z","recorded_at":"…","leaf":"<hex>","state":{…}}

`state` is the stored bytes themselves. Where they are no JSON object on one line, `state_base64` stands in its place;
an instant outside the years 1-9999 stands as its number of microseconds. Neither is ever written by Mawid itself.
"""

import json
from base64 import b64encode
from datetime import date, timedelta
from functools import lru_cache
from struct import Struct, error
from typing import Final, NamedTuple

import msgspec

from infra.merkle import leaf_of_bytes

#: The fixed ones first: they are unpacked in one go.
COLUMNS: Final = "position, stream_version, at, recorded_at, leaf, stream, type, person, booking, command_id, state"
HEADER_BYTES: Final = 19  # of the COPY itself, before the first row
END: Final = b"\xff\xff"

_FIXED: Final = Struct(">hiqiqiqiqi")  # number of columns; four times a length and its integer; length of the leaf
_length: Final = Struct(">i").unpack_from
_LINE: Final = (
    b'{"position":%d,"stream":%b,"stream_version":%d,"type":%b,"person":%b,"booking":%b,"command_id":%b,'
    b'"at":%b,"recorded_at":%b,"leaf":"%b",%b}\n'
)
_COLUMNS_COUNT: Final = 11
_TEXTS_COUNT: Final = 6  # the columns after the leaf
_EPOCH_US: Final = 946_684_800_000_000  # PostgreSQL counts from 2000-01-01
_INT64_MAX: Final = 2**63 - 1
_SECOND_US: Final = 1_000_000
_DAY_S: Final = 86_400
_SAFE: Final = bytes(byte for byte in range(0x20, 0x100) if byte not in b'"\\')
_is_json = msgspec.json.Decoder(msgspec.Raw).decode
_EPOCH: Final = date(1970, 1, 1)


class RowError(ValueError):
    """A row that is not of the log's form: its table has been changed."""


class Row(NamedTuple):
    position: int
    line: bytes  # ends with a newline
    leaf: bytes  # of what the row holds
    is_leaf_stored: bool  # beside it, as it should be
    type: bytes
    booking: bytes | None
    at: bytes
    state: bytes


_row = tuple.__new__  # of a named tuple, without the call of a function for each


def row_of(data: bytes) -> Row:
    try:
        return _row_of(data)
    except (error, IndexError) as problem:
        raise RowError("a row of the log lacks a column: its table has been changed") from problem


def _row_of(data: bytes) -> Row:
    count, a, position, b, version, c, at_us, d, recorded_us, length = _FIXED.unpack_from(data)
    if count != _COLUMNS_COUNT or (a, b, c, d) != (8, 8, 8, 8) or length < 0:
        raise RowError("a row of the log lacks a column: its table has been changed")
    at_us, recorded_us = min(at_us + _EPOCH_US, _INT64_MAX), min(recorded_us + _EPOCH_US, _INT64_MAX)  # infinity
    end = _FIXED.size + length
    stored = data[_FIXED.size : end]
    texts: list[bytes | None] = []
    for _ in range(_TEXTS_COUNT):
        (length,) = _length(data, end)
        start = end + 4
        if length < 0:
            texts.append(None)
            end = start
        else:
            end = start + length
            texts.append(data[start:end])
    stream, topic, person, booking, command, state = texts
    if stream is None or topic is None or state is None:
        raise RowError("a row of the log lacks a column: its table has been changed")
    leaf = leaf_of_bytes(position, stream, version, topic, person, booking, command, at_us, recorded_us, state)
    at = instant(at_us)
    line = _LINE % (
        position,
        _quoted(stream),
        version,
        _quoted(topic),
        _quoted(person),
        _quoted(booking),
        b"null" if command is None else b'"%b"' % command.hex().encode(),
        at,
        instant(recorded_us),
        stored.hex().encode(),
        _state(state),
    )
    return _row(Row, (position, line, leaf, leaf == stored, topic, booking, at, state))


def _quoted(text: bytes | None) -> bytes:
    if text is None:
        return b"null"
    if text.isalnum() or not text.translate(None, _SAFE):
        return b'"%b"' % text
    return json.dumps(text.decode(), ensure_ascii=False).encode()


def _state(state: bytes) -> bytes:
    if state[:1] == b"{" and state[-1:] == b"}" and b"\n" not in state and b"\r" not in state:
        try:
            _is_json(state)
            if not state.isascii():
                state.decode()
        except (msgspec.DecodeError, UnicodeDecodeError):
            pass
        else:
            return b'"state":%b' % state
    return b'"state_base64":"%b"' % b64encode(state)


@lru_cache(maxsize=1 << 12)
def _day(since_1970_d: int) -> bytes:
    """Nothing outside the years 1-9999."""
    try:
        return (_EPOCH + timedelta(days=since_1970_d)).isoformat().encode()
    except OverflowError:
        return b""


@lru_cache(maxsize=1)
def _seconds() -> list[bytes]:
    """Of a day, as times: looked up some millions of times."""
    return [b"%02d:%02d:%02d" % (n // 3600, n // 60 % 60, n % 60) for n in range(_DAY_S)]


def instant(since_1970_us: int) -> bytes:
    """RFC 3339 with all six digits of the microseconds, in quotes, for the leaf needs them."""
    seconds, microseconds = divmod(since_1970_us, _SECOND_US)
    days, second = divmod(seconds, _DAY_S)
    day = _day(days)
    return b'"%bT%b.%06dZ"' % (day, _seconds()[second], microseconds) if day else b"%d" % since_1970_us
