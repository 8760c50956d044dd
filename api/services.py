"""What the API is given: everything of infra that it needs comes in here, from bootstrap."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NamedTuple, Protocol

from psycopg import Connection
from psycopg_pool import ConnectionPool

from domain.commands import Caller, Command
from domain.ports import Inclusion, PersonFile, PublishedCheckpoint, Receipt

MIB = 1024 * 1024


class AsyncDesk(Protocol):
    def submit_async(self, command: Command) -> "asyncio.Future[Receipt]":
        """Raises Overloaded at once when the queue is full; the future may fail with Overloaded or OutcomeUnknown."""
        ...


class Unauthenticated(Exception):
    """The token presented is not one of this instance's callers'. `reason`: one word for the log."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Names and defaults of the settings they come from."""

    body_bytes_max: int = MIB
    bulk_body_bytes_max: int = 64 * MIB
    bulk_lines_max: int = 100_000
    bulk_line_bytes_max: int = 64 * 1024
    group_bookings_max: int = 10
    publication_days_max: int = 400
    erasure_request_days_max: int = 30
    request_s_max: float = 30
    at_least_wait_s_max: float = 2
    page_rows_max: int = 1_000
    stream_rows_max: int = 1_000_000
    stream_folded_events_max: int = 100_000
    citizen_requests_per_s: int = 5
    staff_requests_per_s: int = 500
    address_requests_per_s: int = 1_000
    bucket_depth_s: int = 4  # seconds' worth of requests that may come at once
    access_log_lines_per_s: int = 100
    streams_max: int = 256
    availability_kept_ms: int = 200
    availability_answers_max: int = 2_000


class Checkpoints(Protocol):
    """Signed heads of the log, and proofs up to the latest of them. For use within a snapshot."""

    def latest(self, connection: Connection[Any]) -> PublishedCheckpoint | None: ...

    def of_size(self, connection: Connection[Any], size: int) -> PublishedCheckpoint | None: ...

    def inclusion(self, connection: Connection[Any], position: int, size: int) -> Inclusion: ...

    def consistency(self, connection: Connection[Any], old: int, size: int) -> Sequence[bytes]: ...


class Signing(NamedTuple):
    size: int  # events that the latest checkpoint covers
    is_refused: bool  # the log does not continue what was signed: nothing is signed any more


class Relayed(NamedTuple):
    position: int  # of the last fact that is known to be on Kafka's topic
    is_stopped: bool  # something keeps the relay from going on


class Checked(NamedTuple):
    has_problem: bool
    age_s: float


@dataclass(frozen=True, kw_only=True)
class Services:
    desk: AsyncDesk
    pool: "ConnectionPool[Any]"  # for reads; connections in autocommit
    authenticate: Callable[[str], Caller]  # raises Unauthenticated
    command_id: Callable[[str, str], bytes]  # principal, key
    fingerprint: Callable[[bytes], bytes]
    lookup: Callable[[str], bytes]  # of a normalised beneficiary number
    person_of: Callable[[bytes], str | None]  # look-up of a number → person id, if the vault knows the number
    person_file: Callable[[str, str, str], PersonFile | None]  # person, who opens it, why; None: erased
    keep_erasures: Callable[[], None]  # outside the database too, before an erasure is told to be done
    booking_id: Callable[[bytes, int], str]  # command id, index within a group
    reference_of: Callable[[str], str]  # booking id → 7M4K-92QX-R3TB-H
    reference_hash: Callable[[str], bytes]  # of a canonical reference, as the bookings view keeps it
    region_of: Callable[[str], str | None]  # office → region
    offices: Callable[[], Sequence[str]]  # ids of all, in order
    now: Callable[[], datetime]  # the system's clock, aware
    clock: Literal["system", "request"]
    checkpoints: Checkpoints
    lagging: Callable[[], Mapping[str, int]]  # views that have not reached the head seen at start → events behind
    reference_at_hand: Callable[[str], bool] = lambda _booking: True  # False: `reference_of` reads the log for it
    stopped: Callable[[], Mapping[str, str]] = dict  # views that nobody folds, for whatever head → a sentence
    checked: Callable[[], Mapping[str, Checked]] = dict  # what the last self-check has found, by part
    signing: Callable[[], Signing] = lambda: Signing(0, is_refused=False)
    relayed: Callable[[], Relayed | None] = lambda: None  # None: there is no Kafka
    sectors: Sequence[tuple[str, str, str]] = ()  # sector, its name in Arabic and in English
    reached: Callable[[], tuple[int, Mapping[str, int]]] = lambda: (0, {})  # head of the log; view → its position
    queue_depth: Callable[[], int] = lambda: 0  # commands waiting at the desk
    limits: Limits = field(default_factory=Limits)
