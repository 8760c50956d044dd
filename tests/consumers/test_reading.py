"""Whatever lies on the topic is a fact of this version, or has a word for what is wrong with it."""

from typing import NamedTuple
from uuid import UUID

import msgspec
import pytest

from consumers.reading import Readable, Unreadable, read
from domain.events import RegionRegistered

BYTES_MAX = 10_000
DATA = {"by": "system", "region": "TB", "name_ar": "ت", "name_en": "t"}
FACT = {
    "position": 7,
    "id": "office/CA-TB-01/3",
    "type": "RegionRegistered.v1",
    "stream": "office/CA-TB-01",
    "stream_version": 3,
    "at": "2011-02-05T09:00:00+03:00",
    "command_id": None,
    "data": DATA,
}


class At(NamedTuple):
    value: bytes | None
    topic_id: UUID = UUID(int=1)
    partition: int = 0
    offset: int = 0


def told(**other):
    return msgspec.json.encode(FACT | other)


def test_a_fact_is_read_with_its_event():
    found = read(At(told()), bytes_max=BYTES_MAX)

    assert isinstance(found, Readable)
    assert isinstance(found.event, RegionRegistered)
    assert (found.envelope.position, found.event.region) == (7, "TB")


def test_members_of_a_later_version_are_passed_over():
    later = told(weather="fine", data=DATA | {"anthem": "…"})

    assert isinstance(read(At(later), bytes_max=BYTES_MAX), Readable)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (None, "empty"),
        (b"", "not-json"),
        (b"\xff\xfe\x00", "not-json"),
        (b"{", "not-json"),
        (b'{"data": ' + b"[" * 9_000, "not-json"),
        (b"[]", "envelope"),
        (b"{}", "envelope"),
        (told(position="7"), "envelope"),
        (told(position=0), "envelope"),
        (told(position=2**63), "envelope"),
        (told(stream_version=2**80), "envelope"),
        (told(id="office/CA-TB-01/4"), "envelope"),
        (told(stream="\0", id="\0/3"), "envelope"),
        (told(type="RegionRegistered.v9"), "unknown-type"),
        (told(type=["RegionRegistered.v1"]), "envelope"),
        (told(data={"region": "TB"}), "data"),
        (told(data=None), "data"),
        (told(data={"region": "x" * BYTES_MAX}), "oversized"),
    ],
)
def test_what_is_no_fact_has_a_reason(value, why):
    record = At(value)

    assert read(record, bytes_max=BYTES_MAX) == Unreadable(record, why)
