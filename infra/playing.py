"""Plays a stream of commands in at the desk: in order, a bounded number in flight, whatever the desk says to each."""

import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from types import TracebackType
from typing import NamedTuple, Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from domain.commands import Command
from domain.policy import milestone_after
from domain.ports import OutcomeUnknown, Overloaded, Receipt

#: Enough for the desk to find full batches while the next commands are being made.
IN_FLIGHT_MAX = 2_048
#: How long a desk that takes nothing is asked again before the play is given up.
PATIENCE_S = 60.0
UNKNOWN_RETRY_S = 1.0
#: While commands are made as fast as they are decided, the desk's thread waits this long for the interpreter after each
#: answer of the database. With Python's 5 ms a third of the time went into that.
SWITCH_INTERVAL_S = 0.0005
BAR_UPDATE_S = 0.1
LINE_EVERY_S = 5.0


class Desk(Protocol):
    def submit(self, command: Command) -> "Future[Receipt]": ...


class Standing(NamedTuple):
    """How far a play is, for whoever watches."""

    stage: str  # what is being played, such as "bookings"
    done: int
    total: int | None = None  # None: not known before the end
    running_count: int | None = None  # first confirmations over electronic channels so far


OnReceipt = Callable[[Command, Receipt], None]
OnProgress = Callable[[Standing], None]


@dataclass(slots=True)
class Played:
    accepted: int = 0
    refused: Counter[str] = field(default_factory=Counter)  # by the refusal's name
    replayed: int = 0  # of both: answered before, so that they changed nothing now
    seconds: float = 0.0

    @property
    def commands(self) -> int:
        return self.accepted + self.refused.total()

    @property
    def commands_per_s(self) -> float:
        return self.commands / max(self.seconds, 1e-9)


class Player:
    """Sends commands and takes their receipts, in the same order, in the caller's thread. Leaving it settles all."""

    def __init__(self, desk: Desk, on_receipt: OnReceipt | None = None, *, in_flight_max: int = IN_FLIGHT_MAX) -> None:
        self._desk = desk
        self._on_receipt = on_receipt
        self._in_flight_max = in_flight_max
        self._in_flight: deque[tuple[Command, Future[Receipt]]] = deque()
        self._started = time.monotonic()
        self.played = Played()

    def __enter__(self) -> Self:
        self._switch_interval_s = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            self.settle()
        finally:
            sys.setswitchinterval(self._switch_interval_s)

    @property
    def in_flight(self) -> int:
        return len(self._in_flight)

    def send(self, command: Command) -> None:
        """Waits while too many are in flight, and while the desk is overloaded."""
        if len(self._in_flight) >= self._in_flight_max:
            self.settle(self._in_flight_max * 3 // 4)  # a quarter at once: one wait instead of many
        while True:
            try:
                future = self._desk.submit(command)
                break
            except Overloaded as overloaded:
                if self._in_flight:
                    self.settle(len(self._in_flight) - 1)
                else:
                    future = self._ask_again(command, overloaded)
                    break
        self._in_flight.append((command, future))

    def settle(self, left: int = 0) -> None:
        """Take receipts, oldest first, until at most `left` commands are in flight."""
        in_flight, played = self._in_flight, self.played
        settled = len(in_flight) - left
        if settled <= 0:
            return
        last = in_flight[settled - 1][1]
        last.exception()  # waits once: the desk answers in order, so all before it are answered too
        for _ in range(settled):
            command, future = in_flight.popleft()
            receipt = self._receipt_of(command, future)
            if receipt.refusal is None:
                played.accepted += 1
            else:
                played.refused[receipt.refusal.name] += 1
            played.replayed += receipt.replayed
            if self._on_receipt is not None:
                self._on_receipt(command, receipt)
        played.seconds = time.monotonic() - self._started

    def _receipt_of(self, command: Command, future: "Future[Receipt]") -> Receipt:
        """Of this command, asked for again under its own key as long as the desk cannot say what became of it."""
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                return future.result()
            except (Overloaded, OutcomeUnknown) as error:
                if time.monotonic() > until:
                    raise
                future = self._ask_again(command, error)

    def _ask_again(self, command: Command, error: Overloaded | OutcomeUnknown) -> "Future[Receipt]":
        until = time.monotonic() + PATIENCE_S
        while True:
            time.sleep(error.retry_after_s if isinstance(error, Overloaded) else UNKNOWN_RETRY_S)
            try:
                return self._desk.submit(command)
            except Overloaded as overloaded:
                if time.monotonic() > until:
                    raise
                error = overloaded


def play(
    desk: Desk,
    commands: Iterable[Command],
    *,
    stage: str,
    total: int | None = None,
    in_flight_max: int = IN_FLIGHT_MAX,
    on_receipt: OnReceipt | None = None,
    on_progress: OnProgress | None = None,
) -> Played:
    """Whatever error ends `commands` early, what was sent before is settled first."""
    with Player(desk, on_receipt, in_flight_max=in_flight_max) as player:
        for command in commands:
            player.send(command)
            if on_progress is not None:
                on_progress(Standing(stage, player.played.commands, total))
    if on_progress is not None:
        on_progress(Standing(stage, player.played.commands, total))
    return player.played


class Progress:
    """Shows a play: bars on a terminal, a plain line every few seconds anywhere else. Called with each Standing."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._bars: Bars | None = None
        self._shown: Standing | None = None  # what is on the screen
        self._shown_at = 0.0
        self._latest: Standing | None = None
        self._latest_at = 0.0
        self._began_at = 0.0  # the stage, at `_began_done`
        self._began_done = 0

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._bars = Bars(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[figures]}"),
                TimeElapsedColumn(),
                console=self._console,
            )
            self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._show_latest()
        if self._bars is not None:
            self._bars.stop()

    def __call__(self, standing: Standing) -> None:
        now = time.monotonic()
        if self._latest is None or standing.stage != self._latest.stage:
            self._show_latest()
            self._began_at, self._began_done = now, standing.done
            self._shown_at = now
            if self._bars is not None:
                self._bars.add_task(standing.stage, total=standing.total, figures="")
        self._latest, self._latest_at = standing, now
        is_due = now - self._shown_at >= (LINE_EVERY_S if self._bars is None else BAR_UPDATE_S)
        if is_due or standing.done == standing.total:
            self._show_latest()

    def _show_latest(self) -> None:
        latest = self._latest
        if latest is None or latest == self._shown:
            return
        self._shown, self._shown_at = latest, time.monotonic()
        figures = self._figures(latest)
        if self._bars is not None:
            self._bars.update(self._bars.task_ids[-1], completed=latest.done, total=latest.total, figures=figures)
        else:
            of = f" of {latest.total:,}" if latest.total is not None else ""
            self._console.print(f"{latest.stage}: {latest.done:,}{of}, {figures}", highlight=False, soft_wrap=True)

    def _figures(self, standing: Standing) -> str:
        elapsed = max(self._latest_at - self._began_at, 1e-3)
        figures = f"{(standing.done - self._began_done) / elapsed:,.0f}/s"
        if standing.running_count is None:
            return figures
        figures += f", running count {standing.running_count:,}"
        last = last_milestone(standing.running_count)
        return f"{figures}, last milestone {last:,}" if last else figures


def last_milestone(count: int) -> int:
    """The highest threshold that `count` has reached; 0: none."""
    reached, following = 0, milestone_after(0)
    while following <= count:
        reached, following = following, milestone_after(following)
    return reached
