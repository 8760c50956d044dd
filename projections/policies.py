"""The policies of the log, straight from their stream: there are few, and an answer is as recent as the log itself."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from psycopg import Connection
from psycopg.rows import TupleRow

from domain.policies import POLICY_STREAM, Policies
from domain.policy import BUILT_IN, Policy
from projections import history
from projections.history import POSITION_MAX

#: Each is somebody's decision.
_VERSIONS_MAX = 100_000


class Version(NamedTuple):
    policy: Policy
    position: int | None  # of its adoption; None: built in
    at: datetime | None


def versions(connection: Connection[TupleRow], *, upto: int = POSITION_MAX) -> tuple[Sequence[Version], Policies]:
    """In the order of adoption, the built-in one first; and which of them holds when."""
    policies = Policies(POLICY_STREAM)
    found = [Version(BUILT_IN, None, None)]
    for told in history.of_stream(connection, POLICY_STREAM, upto=upto, limit=_VERSIONS_MAX):
        policies.evolve(told.fact)
        found.append(Version(policies.of_version(len(found) + 1), told.position, told.at))
    return found, policies
