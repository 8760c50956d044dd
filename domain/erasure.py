"""A request that a person be erased, and what became of it."""

from datetime import datetime

from domain.events import ErasureRequested, Fact, PersonErased


class Erasure:
    __slots__ = ("is_done", "last_at", "person", "requested", "stream", "version")

    last_at: datetime

    def __init__(self, stream: str) -> None:
        self.stream = stream
        self.version = 0
        self.person: str | None = None
        self.requested: ErasureRequested | None = None
        self.is_done = False

    def evolve(self, fact: Fact) -> None:
        self.version, self.person, self.last_at = fact.originator_version, fact.person, fact.at
        match fact.event:
            case ErasureRequested() as event:
                self.requested = event
            case PersonErased():
                self.is_done = True


def erasure_stream(request: str) -> str:
    return f"erasure/{request}"
