"""Names of slots, beneficiary numbers, booking ids and references: their one spelling inside, and what is accepted.

A number is personal data and a reference is a secret: no error or repr here shows one.
"""

import hmac
import re
from datetime import datetime
from functools import lru_cache
from hashlib import blake2b
from typing import Literal

import msgspec

from domain.calendar import RIYADH

NumberKind = Literal["citizen", "resident", "border"]

DIRECTION_MARKS = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
SPACES = " \t\r\n\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
DASHES = "-\u2010\u2011\u2012\u2013\u2014\u2015\u2212"
ARABIC_DIGITS = "٠١٢٣٤٥٦٧٨٩"
PERSIAN_DIGITS = "۰۱۲۳۴۵۶۷۸۹"
TO_ASCII_DIGITS = str.maketrans(ARABIC_DIGITS + PERSIAN_DIGITS, "0123456789" * 2)

# -- slots ------------------------------------------------------------------------------------------------------------

BOOKABLE_YEARS = range(2000, 2100)
_CONVERTIBLE_YEARS = range(1999, 2101)  # a year that only an offset moves into the bookable ones is converted first
_OFFICE = re.compile(r"[A-Z0-9]+(?:-[A-Z0-9]+)*")
_START = re.compile(
    r"(?P<wall>(?P<year>[0-9]{4})-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2})"
    r"(?::(?P<seconds>[0-9]{2}(?:\.[0-9]{1,9})?))?"
    r"(?P<offset>Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])?"
)


class InvalidStart(ValueError):
    """`reason`, the first that applies: format, year (not 2000-2099), date (not in the calendar), seconds (not 00)."""

    def __init__(self, reason: Literal["format", "year", "date", "seconds"]) -> None:
        self.reason = reason
        super().__init__(f"not the start of a slot: {reason}")


class InvalidSlotId(ValueError):
    def __init__(self) -> None:
        super().__init__("not a slot id: OFFICE@YYYY-MM-DDTHH:MM")


def slot_id(office: str, start: datetime) -> str:
    """Such as CA-TB-01@2011-02-05T09:00: office wall time, whatever the zone of the aware `start`."""
    return f"{office}@{_wall_time(start)}"


def slot_stream(office: str, start: datetime) -> str:
    return f"slot/{office}@{_wall_time(start)}"


@lru_cache(maxsize=8192)  # of the few thousand starts of the coming weeks, each booking names several
def _wall_time(start: datetime) -> str:
    if start.tzinfo is None:
        raise ValueError("the start has no time zone")
    return start.astimezone(RIYADH).isoformat()[:16]


def parse_slot_id(text: str) -> tuple[str, datetime]:
    """Office and start, of the one canonical spelling only."""
    office, _, wall = text.partition("@")
    try:
        start = parse_start(wall)
    except InvalidStart:
        raise InvalidSlotId from None
    if not _OFFICE.fullmatch(office) or slot_id(office, start) != text:
        raise InvalidSlotId
    return office, start


@lru_cache(maxsize=8192)  # as above; what is refused is not kept, and what is accepted is short
def parse_start(text: str) -> datetime:
    """Office time of an RFC 3339 instant, or of an office wall time without offset; seconds may be left out."""
    match = _START.fullmatch(text.upper())
    if match is None:
        raise InvalidStart("format")
    if int(match["year"]) not in _CONVERTIBLE_YEARS:
        raise InvalidStart("year")
    try:
        start = datetime.fromisoformat(match["wall"] + (match["offset"] or ""))
    except ValueError:
        raise InvalidStart("date") from None
    start = start.astimezone(RIYADH) if match["offset"] else start.replace(tzinfo=RIYADH)
    if start.year not in BOOKABLE_YEARS:
        raise InvalidStart("year")
    if match["seconds"] and match["seconds"].strip("0.") != "":
        raise InvalidStart("seconds")
    return start


# -- beneficiary numbers ----------------------------------------------------------------------------------------------

NUMBER_LENGTH = 10
_KINDS: dict[str, NumberKind] = {"1": "citizen", "2": "resident", "3": "border", "4": "border"}
_FIRST_DIGIT: dict[NumberKind, str] = {"citizen": "1", "resident": "2", "border": "3"}
#: Two digits → their part of the Luhn sum; the first of each pair is the doubled one.
_LUHN = {f"{a}{b}": 2 * a // 10 + 2 * a % 10 + b for a in range(10) for b in range(10)}
_AROUND_NUMBER = SPACES + DIRECTION_MARKS


class InvalidNumber(ValueError):
    """`reason`, the first that applies in the order of the Literal."""

    def __init__(self, reason: Literal["not-a-digit", "length", "first-digit", "check-digit"]) -> None:
        self.reason = reason
        super().__init__(f"not a beneficiary number: {reason}")


class Number(msgspec.Struct, frozen=True):
    digits: str  # ten, ASCII
    kind: NumberKind

    def __repr__(self) -> str:
        return f"Number(kind={self.kind!r})"

    def __rich_repr__(self) -> list[tuple[str, str]]:  # msgspec's own would print the digits in a rich traceback
        return [("kind", self.kind)]


def parse_number(text: str) -> Number:
    """National id (1…), iqama (2…): Luhn over all ten digits; border number (3…, 4…): no check digit."""
    digits = text
    if not (text.isascii() and text.isdigit()):  # nearly always it is
        digits = text.strip(_AROUND_NUMBER).translate(TO_ASCII_DIGITS)
        if digits and not (digits.isascii() and digits.isdigit()):
            raise InvalidNumber("not-a-digit")
    if len(digits) != NUMBER_LENGTH:
        raise InvalidNumber("length")
    kind = _KINDS.get(digits[0])
    if kind is None:
        raise InvalidNumber("first-digit")
    if kind != "border" and _luhn(digits) != 0:
        raise InvalidNumber("check-digit")
    return Number(digits, kind)


def kind_of(digits: str) -> NumberKind:
    """Of a number that has been parsed."""
    return _KINDS[digits[0]]


def make_number(kind: NumberKind, seed: int) -> str:
    """A valid synthetic number; distinct seeds in 0 ≤ seed < 10**8 give distinct numbers."""
    if not 0 <= seed < 10**8:
        raise ValueError("the seed is outside 0 ≤ seed < 10**8")
    if kind == "border":
        return f"{_FIRST_DIGIT[kind]}{seed:09d}"
    payload = f"{_FIRST_DIGIT[kind]}{seed:08d}"
    return f"{payload}{-_luhn(payload + '0') % 10}"


def _luhn(ten: str) -> int:
    return (_LUHN[ten[:2]] + _LUHN[ten[2:4]] + _LUHN[ten[4:6]] + _LUHN[ten[6:8]] + _LUHN[ten[8:]]) % 10


# -- ids and references -----------------------------------------------------------------------------------------------

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = [a + b for a in CROCKFORD for b in CROCKFORD]
_40_BITS = 2**40 - 1
#: Product before a character, and the character → product after it; see `_check`.
_CHECK_STEPS = [
    {character: ((product + value) % 32 or 32) * 2 % 33 for value, character in enumerate(CROCKFORD)}
    for product in range(33)
]
PERSON_ENTROPY_BYTES = 16
REFERENCE_LENGTH = 13
_REFERENCE = re.compile(f"[{CROCKFORD}]*")
_REFERENCE_SPELLINGS = (
    str.maketrans(CROCKFORD.lower(), CROCKFORD)
    | str.maketrans("OoIiLl", "001111")
    | TO_ASCII_DIGITS
    | dict.fromkeys(map(ord, SPACES + DASHES + DIRECTION_MARKS))
)
_MEASUREMENT_ID = re.compile(f"[{CROCKFORD.lower()}]{{12}}")
_BOOKING_ID = re.compile(f"[{CROCKFORD.lower()}]{{20}}")


class InvalidReference(ValueError):
    """`reason`, the first that applies in the order of the Literal."""

    def __init__(self, reason: Literal["alphabet", "length", "check"]) -> None:
        self.reason = reason
        super().__init__(f"not a booking reference: {reason}")


def booking_id(command_id: bytes, index: int = 0, *, key: bytes) -> str:
    """20 characters (100 bits): the same command makes the same booking, so a retry is not a second one.

    `index` counts the bookings of a group; `key` (at most 64 bytes) keeps a caller from choosing an id.
    """
    mac = _booking_mac(key).copy()
    mac.update(command_id + index.to_bytes(4, "big"))
    value = int.from_bytes(mac.digest(), "big") >> 4
    return (_base32_of_60_bits(value >> 40) + _base32_of_60_bits(value & _40_BITS)[4:]).lower()


@lru_cache(maxsize=4)  # a keyed state is copied for each id: setting the key up again costs more than the id
def _booking_mac(key: bytes) -> blake2b:
    return blake2b(digest_size=13, key=key, person=b"booking id")


def is_booking_id(text: str) -> bool:
    return _BOOKING_ID.fullmatch(text) is not None


def measurement_id(command_id: bytes) -> str:
    """12 characters: the same command makes the same measurement. It is no secret."""
    digest = blake2b(command_id, digest_size=8, person=b"measurement id").digest()
    return _base32(int.from_bytes(digest, "big") >> 4, 12).lower()


def is_measurement_id(text: str) -> bool:
    return _MEASUREMENT_ID.fullmatch(text) is not None


def person_id(entropy: bytes) -> str:
    """26 characters of 16 bytes that the caller drew: nothing about the person is in them."""
    if len(entropy) != PERSON_ENTROPY_BYTES:
        raise ValueError(f"a person id is made of {PERSON_ENTROPY_BYTES} bytes")
    return _base32(int.from_bytes(entropy, "big"), 26).lower()


def reference_for(booking: str, key: bytes) -> str:
    """The customer's secret code of a booking, canonical: 13 characters without dashes, the last one a check."""
    secret = int.from_bytes(hmac.digest(key, booking.encode(), "sha256")[:8], "big") >> 4
    payload = _base32_of_60_bits(secret)
    return payload + _check(payload)


def parse_reference(text: str) -> str:
    """Canonical form of what people write: any case, spaces, dashes, Arabic and Persian digits, O for 0, I, L for 1."""
    canonical = text.translate(_REFERENCE_SPELLINGS)
    if not _REFERENCE.fullmatch(canonical):
        raise InvalidReference("alphabet")
    if len(canonical) != REFERENCE_LENGTH:
        raise InvalidReference("length")
    if _check(canonical[:12]) != canonical[12]:
        raise InvalidReference("check")
    return canonical


def show_reference(canonical: str) -> str:
    """Grouped for people: 4-4-4-1."""
    return f"{canonical[:4]}-{canonical[4:8]}-{canonical[8:12]}-{canonical[12:]}"


def _check(payload: str) -> str:
    """ISO 7064's hybrid system, MOD 33,32: sees every wrong character and nearly every swap of neighbours."""
    product = 32
    for character in payload:
        product = _CHECK_STEPS[product][character]
    return CROCKFORD[(1 - product) % 32]


def _base32(value: int, length: int) -> str:
    return "".join([_PAIRS[value >> shift & 1023] for shift in range(5 * length - 10, -1, -10)])


def _base32_of_60_bits(value: int) -> str:
    """As `_base32(value, 12)`, without a loop: every booking told to anyone needs some."""
    pairs = _PAIRS
    return (
        pairs[value >> 50]
        + pairs[value >> 40 & 1023]
        + pairs[value >> 30 & 1023]
        + pairs[value >> 20 & 1023]
        + pairs[value >> 10 & 1023]
        + pairs[value & 1023]
    )
