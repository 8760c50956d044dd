"""Saudi mobile numbers: any usual spelling in, E.164 out. phonenumbers decides; its common case is short-cut."""

import re
from typing import Literal

import phonenumbers
from phonenumbers import NumberParseException, PhoneMetadata, PhoneNumberFormat, PhoneNumberType

from domain.identifiers import DASHES, DIRECTION_MARKS, SPACES, TO_ASCII_DIGITS

_SAUDI_ARABIA = 966
_SPELLINGS = TO_ASCII_DIGITS | dict.fromkeys(map(ord, SPACES + DASHES + DIRECTION_MARKS + "()./"))


class InvalidMobile(ValueError):
    """`reason`: invalid (no such number), not-saudi (another country's code), not-mobile (a landline, a service)."""

    def __init__(self, reason: Literal["invalid", "not-saudi", "not-mobile"]) -> None:
        self.reason = reason
        super().__init__(f"not a Saudi mobile number: {reason}")


def _saudi_mobile_pattern() -> re.Pattern[str]:
    """+966 or 0, then the library's own pattern of the nine digits, so that the short cut cannot disagree with it."""
    metadata = PhoneMetadata.metadata_for_region("SA")
    if metadata is None or metadata.mobile is None or metadata.mobile.national_number_pattern is None:
        raise RuntimeError("phonenumbers knows no Saudi mobiles")
    return re.compile(rf"(?:\+966|0)({metadata.mobile.national_number_pattern})", re.ASCII)


_MOBILE = _saudi_mobile_pattern()


def parse_mobile(text: str) -> str:
    """E.164, such as +966500000001."""
    match = _MOBILE.fullmatch(text)  # nearly always; the library costs twenty times as much
    if match is None:
        compact = text.translate(_SPELLINGS)
        match = _MOBILE.fullmatch(compact)
        if match is None:
            return _ask_library(compact)
    return f"+966{match[1]}"


def _ask_library(compact: str) -> str:
    digits = compact.removeprefix("+")
    if not (digits.isascii() and digits.isdigit()):  # the library would look for a number inside a sentence
        raise InvalidMobile("invalid")
    try:
        number = phonenumbers.parse(compact, "SA")
    except NumberParseException:
        raise InvalidMobile("invalid") from None
    if number.country_code != _SAUDI_ARABIA:
        raise InvalidMobile("not-saudi" if phonenumbers.is_possible_number(number) else "invalid")
    if not phonenumbers.is_valid_number(number):
        raise InvalidMobile("invalid")
    if phonenumbers.number_type(number) != PhoneNumberType.MOBILE:
        raise InvalidMobile("not-mobile")
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)
