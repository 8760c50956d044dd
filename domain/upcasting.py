"""Old shapes of facts, read as today's. What is stored never changes: neither the bytes of a fact nor its leaf.

When an event needs a shape that its old bytes do not give, the class in domain/events.py gets a new TOPIC, and the
old topic an entry here: a struct that reads the old bytes, and a function that makes today's event of it. Nobody but
domain/wire.py needs to know.
"""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import msgspec

from domain.events import Event


class Upcaster(NamedTuple):
    shape: type[msgspec.Struct]  # of the old bytes
    upcast: Callable[[Any], Event]  # an instance of it → what the fact says today


#: Old topic → how it is read. Nothing that Mawid has written so far has needed one.
UPCASTERS: Final[dict[str, Upcaster]] = {}
