"""Columns of rows as PostgreSQL's binary arrays: psycopg packs arrays element by element in Python, a third of a fold.

Each function takes one column. The type comes from the cast in the query: `unnest(%b::text[], …)`.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime
from itertools import repeat
from struct import Struct
from typing import Any, Final

import psycopg
from psycopg import pq
from psycopg.adapt import Dumper

#: Beyond so many different values a column's packed elements are forgotten.
_KEPT_MAX: Final = 50_000
_EPOCH, _FIRST_DAY = datetime(2000, 1, 1, tzinfo=UTC), date(2000, 1, 1).toordinal()
_NULL: Final = b"\xff\xff\xff\xff"

#: Dimensions, whether there may be a NULL, the elements' type, and of the one dimension: how many, and the lower bound.
_header = Struct(">iiIii").pack
_empty = Struct(">iiI").pack
_length = Struct(">i").pack
_int4, _int8, _bool = Struct(">ii").pack, Struct(">iq").pack, Struct(">i?").pack


class Array:
    __slots__ = ("packed",)

    def __init__(self, oid: int, number: int, elements: Iterable[bytes]) -> None:
        self.packed = _header(1, 1, oid, number, 1) + b"".join(elements) if number else _empty(0, 0, oid)


class _ArrayDumper(Dumper):
    format = pq.Format.BINARY

    def dump(self, obj: Array) -> bytes:
        return obj.packed


psycopg.adapters.register_dumper(Array, _ArrayDumper)


class _Packed(dict[Any, bytes]):
    """Value → its packed element, kept: most columns hold the same few values again and again."""

    def __init__(self, pack: Callable[[Any], bytes]) -> None:
        super().__init__()
        self._pack = pack

    def __missing__(self, value: object) -> bytes:
        if len(self) >= _KEPT_MAX:
            self.clear()
        packed = self[value] = self._pack(value)
        return packed


def _packed_bytes(value: bytes | None) -> bytes:
    return _NULL if value is None else _length(len(value)) + value


def _packed_text(value: str | None) -> bytes:
    return _NULL if value is None else _packed_bytes(value.encode())


def _packed_instant(value: datetime | None) -> bytes:
    if value is None:
        return _NULL
    since = value - _EPOCH
    return _int8(8, (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds)


def _packed_day(value: date | None) -> bytes:
    return _NULL if value is None else _int4(4, value.toordinal() - _FIRST_DAY)


_word = _Packed(_packed_text).__getitem__
_start = _Packed(_packed_instant).__getitem__
_day = _Packed(_packed_day).__getitem__


def texts(column: Sequence[str | None]) -> Array:
    """Each different: ids."""
    return Array(25, len(column), map(_packed_text, column))


def words(column: Sequence[str | None]) -> Array:
    """Of few different values."""
    return Array(25, len(column), map(_word, column))


def byteas(column: Sequence[bytes | None]) -> Array:
    return Array(17, len(column), map(_packed_bytes, column))


def integers(column: Sequence[int]) -> Array:
    return Array(23, len(column), map(_int4, repeat(4), column))


def bigints(column: Sequence[int]) -> Array:
    return Array(20, len(column), map(_int8, repeat(8), column))


def booleans(column: Sequence[bool]) -> Array:
    return Array(16, len(column), map(_bool, repeat(1), column))


def instants(column: Sequence[datetime | None]) -> Array:
    """timestamptz; each different."""
    return Array(1184, len(column), map(_packed_instant, column))


def times(column: Sequence[datetime | None]) -> Array:
    """timestamptz; of few different values."""
    return Array(1184, len(column), map(_start, column))


def dates(column: Sequence[date | None]) -> Array:
    return Array(1082, len(column), map(_day, column))


def columns(rows: Iterable[Sequence[Any]], *packs: Callable[[Sequence[Any]], Array]) -> list[Array]:
    """The rows, of which there is at least one, by column; a `pack` for each, one of the functions above."""
    return [pack(column) for pack, column in zip(packs, zip(*rows, strict=True), strict=True)]
