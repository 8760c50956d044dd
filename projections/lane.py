"""One view being followed: its connection, the lock that makes this process the one that folds it, its position."""

from typing import Any

from psycopg import Connection
from psycopg.rows import TupleRow
import structlog

from projections.log import Page
from projections.projection import Projection
from projections.storage import AWAY, PositionMoved, advance, as_of, begin, connect, ensure, live_schema

_log = structlog.get_logger("follow")


class FoldFailed(Exception):  # noqa: N818 - what became of a view
    """The view stays before the fact at `position`: nothing is skipped, and every fact before it is folded."""

    def __init__(self, view: str, position: int, cause: Exception) -> None:
        self.view, self.position = view, position
        super().__init__(f"{view} stands still before position {position}: {type(cause).__name__}: {cause}")
