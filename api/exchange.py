"""What is known of one request while it is answered: written by whoever learns it, read by the edge at the end."""

from collections.abc import MutableMapping
from typing import Any, Final

KEY: Final = "mawid.exchange"
#: The route of a request that no route takes.
UNMATCHED: Final = "(none)"


class Exchange:
    __slots__ = ("is_submitted", "problem", "request_id", "role", "route")

    def __init__(self, request_id: str) -> None:
        self.request_id = request_id
        self.route = UNMATCHED  # the template: a path may hold a reference
        self.role = ""
        self.problem = ""  # name of the problem answered
        self.is_submitted = False  # the desk has the command: if its answer does not come, its outcome is unknown


def of(scope: MutableMapping[str, Any]) -> Exchange:
    """Without an edge in front (as in a test of one part) what is written is read by nobody."""
    found = scope.get(KEY)
    if found is None:
        found = scope[KEY] = Exchange("-")
    exchange: Exchange = found
    return exchange
