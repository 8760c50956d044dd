"""Event ⇄ JSON bytes, for disk, export and Kafka alike. The stored bytes of a fact are written once and never again."""

from typing import Any

import msgspec

from domain.events import EVENTS, Event

_encoder = msgspec.json.Encoder()
_decoders: dict[str, msgspec.json.Decoder[Any]] = {event.TOPIC: msgspec.json.Decoder(event) for event in EVENTS}


class UnknownEvent(Exception):
    """A topic this version does not know: the log was written by a newer Mawid, or is not Mawid's."""


def is_known(topic: str) -> bool:
    return topic in _decoders


def encode(event: Event) -> bytes:
    return _encoder.encode(event)


def decode(topic: str, state: bytes) -> Event:
    try:
        decoder = _decoders[topic]
    except KeyError:
        raise UnknownEvent(topic) from None
    event: Event = decoder.decode(state)
    return event
