"""When it is: Mawid-Now where the instance takes its time from requests, else the system's clock."""

import re
from collections.abc import Mapping
from datetime import datetime

from api.problems import invalid
from api.services import Services
from domain.identifiers import BOOKABLE_YEARS

HEADER = b"mawid-now"
FIELD = "Mawid-Now"
_INSTANT = re.compile(
    r"([0-9]{4})-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
)


class InvalidInstant(ValueError):
    def __init__(self) -> None:
        super().__init__("not an RFC 3339 instant with offset, of the years 2000 to 2099")


def parse_instant(text: str) -> datetime:
    """RFC 3339 with offset. Leap seconds are refused, as the clock that rules are decided by has none."""
    match = _INSTANT.fullmatch(text)
    if match is None or int(match[1]) not in BOOKABLE_YEARS:
        raise InvalidInstant
    try:
        return datetime.fromisoformat(text.upper())
    except ValueError:
        raise InvalidInstant from None


def time_of_command(services: Services, headers: Mapping[bytes, bytes]) -> datetime:
    told = time_told(services, headers)
    if told is not None:
        return told
    if services.clock == "request":
        raise invalid(FIELD, "every command needs it here: this instance takes its time from requests", status=400)
    return services.now()


def time_of_read(services: Services, headers: Mapping[bytes, bytes]) -> datetime:
    return time_told(services, headers) or services.now()


def time_told(services: Services, headers: Mapping[bytes, bytes]) -> datetime | None:
    header = headers.get(HEADER)
    if header is None:
        return None
    if services.clock == "system":
        raise invalid(FIELD, "is not taken here: this instance goes by the system's clock", status=400)
    try:
        return parse_instant(header.decode("latin-1"))
    except InvalidInstant as error:
        raise invalid(FIELD, str(error), status=400) from None
