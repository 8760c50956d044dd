"""Event ⇄ JSON bytes, for disk, export and Kafka alike. The stored bytes of a fact are written once and never again."""

from typing import Any

import msgspec

from domain.events import EVENTS, Event
from domain.upcasting import UPCASTERS

_encoder = msgspec.json.Encoder()
_decoders: dict[str, msgspec.json.Decoder[Any]] = {event.TOPIC: msgspec.json.Decoder(event) for event in EVENTS}


class UnknownEvent(Exception):
    """A topic this version does not know: the log was written by a newer Mawid, or is not Mawid's."""


def encode(event: Event) -> bytes:
    return _encoder.encode(event)


def decode(topic: str, state: bytes) -> Event:
    try:
        decoder = _decoders[topic]
    except KeyError:
        return _upcast(topic, state)
    event: Event = decoder.decode(state)
    return event


def _upcast(topic: str, state: bytes) -> Event:
    old = UPCASTERS.get(topic)
    if old is None:
        raise UnknownEvent(topic) from None
    return old.upcast(msgspec.json.decode(state, type=old.shape))
