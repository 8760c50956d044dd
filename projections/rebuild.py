"""Views folded once more from the first fact, beside the live ones: compared with them byte for byte, and swapped.

The log is read once for all of them. The live views go on meanwhile; their rows of view_position are locked only while
the last facts are folded, so that both stand at one position: snapshots taken under that lock are then compared.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from time import monotonic

import psycopg

from projections.comparison import Difference, difference
from projections.log import Pages, head
from projections.projection import Projection, position_of
from projections.side import SideView
from projections.storage import connect, live_position, live_schema

PAGE_EVENTS_MAX = 20_000


@dataclass(frozen=True)
class Rebuilt:
    view: str
    events: int  # folded: the position at which the rebuilt view stands
    seconds: float  # of the whole run, which other views may have shared, without the comparison
    compared_s: float  # shared too
    equal: bool | None  # None: not asked for, or no live view of this version to compare with
    difference: Difference | None


def rebuild(dsn: str, views: Sequence[Projection], *, compare: bool) -> Sequence[Rebuilt]:
    """The rebuilt views take the live ones' places, whatever the comparison says: they are what the log says."""
    return _rebuilt(dsn, views, compare=compare, swap=True)


def self_check(dsn: str, views: Sequence[Projection]) -> Sequence[Rebuilt]:
    """Whether each live view is what the log says. The live views are left as they are."""
    return _rebuilt(dsn, views, compare=True, swap=False)


def _rebuilt(dsn: str, views: Sequence[Projection], *, compare: bool, swap: bool) -> Sequence[Rebuilt]:
    started, compared_s = monotonic(), 0.0
    compared: dict[str, Difference | None] = {}
    with ExitStack() as parts:
        run = _Run(dsn, views, parts, are_kept=swap)
        if compare:
            run.meet_the_live_views()
            met = monotonic()
            compared = run.differences()
            compared_s = monotonic() - met
        if swap:
            run.take_places({side for side in run.sides if side.view.name not in compared})
        for side in run.sides:
            side.drop()
        seconds = monotonic() - started - compared_s
        at = {side.view.name: side.at.position for side in run.sides}
    return [
        Rebuilt(
            view=view.name,
            events=at[view.name],
            seconds=seconds,
            compared_s=compared_s,
            equal=compared[view.name] is None if view.name in compared else None,
            difference=compared.get(view.name),
        )
        for view in views
    ]


class _Run:
    """`sides` are in the order of their names, in which every lock on several is taken."""

    def __init__(self, dsn: str, views: Sequence[Projection], parts: ExitStack, *, are_kept: bool) -> None:
        self._reader = parts.enter_context(closing(connect(dsn)))
        # Keeps the live views still for a moment, in a transaction that spans several of the sides'.
        self._lock = parts.enter_context(closing(psycopg.connect(dsn, autocommit=True)))
        self._pages = Pages(self._reader, PAGE_EVENTS_MAX)
        self.sides = [
            parts.enter_context(SideView(dsn, view, is_kept=are_kept))
            for view in sorted(views, key=lambda view: view.name)
        ]
        self._folding = parts.enter_context(ThreadPoolExecutor(len(self.sides), "rebuild"))
        self._met: list[SideView] = []

    def meet_the_live_views(self) -> None:
        """Each side and its live view at one position, as its session sees them from here on."""
        while self._fold({side: position_of(self._reader, side.view.name).position for side in self.sides}):
            pass  # most of it, before anybody has to wait; again for what was followed meanwhile, if it was much
        with self._lock.transaction():
            live = self._live_positions()
            self._fold(live)
            for side in live:
                side.connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                side.connection.execute("SELECT")  # takes the snapshot
        self._met = list(live)

    def differences(self) -> dict[str, Difference | None]:
        """Of the views that have met their live one. Ends what their sessions see."""
        names = [side.view.name for side in self._met]
        return dict(zip(names, self._folding.map(_compared, self._met), strict=True))

    def take_places(self, unmet: set[SideView]) -> None:
        """The `unmet` go on to the head; all of them to where their live view has come."""
        at_head = head(self._reader)
        self._fold(dict.fromkeys(unmet, at_head))
        list(self._folding.map(SideView.finish, self.sides))
        with self._lock.transaction():
            self._fold(self._live_positions())
            for side in self.sides:
                side.take_place(self._lock)

    def _live_positions(self) -> dict[SideView, int]:
        """Of the live views of this version, which stand still until the transaction ends."""
        found = {side: live_position(self._lock, side.view) for side in self.sides}
        return {side: position for side, position in found.items() if position is not None}

    def _fold(self, targets: Mapping[SideView, int]) -> bool:
        """Each side up to its target, if it is not there. True: that was more than a page."""
        pages = 0
        while lacking := [side for side, upto in targets.items() if side.at.position < upto]:
            page = self._pages.after(min(side.at.position for side in lacking))
            folds = [
                self._folding.submit(side.fold, page, targets[side])
                for side in lacking
                if side.at.position < page[-1][0]
            ]
            if page[-1][0] < max(targets[side] for side in lacking):
                self._pages.read_ahead(page)
            for fold in folds:
                fold.result()
            pages += 1
        return pages > 1


def _compared(side: SideView) -> Difference | None:
    found = difference(side.connection, live_schema(side.view), side.schema)
    side.connection.execute("COMMIT")
    return found
