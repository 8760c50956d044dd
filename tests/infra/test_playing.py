import sys
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from io import StringIO

import pytest
from rich.console import Console

from domain.commands import Caller, Command
from domain.errors import Refusal
from domain.ports import OutcomeUnknown, Overloaded, Receipt
from infra import playing
from infra.playing import Player, Progress, Standing, last_milestone, play

OPERATOR = Caller(role="operator", subject="operator")


class DeskThatAnswers:
    """In order, in a thread of its own; `troubles` come first: raised at once, or as the answer of a future."""

    def __init__(self, troubles=()):
        self._troubles = list(troubles)
        self._thread = ThreadPoolExecutor(1)
        self.asked: list[int] = []
        self.waiting = self.waiting_most = 0

    def submit(self, command: Command) -> "Future[Receipt]":
        trouble = self._troubles.pop(0) if self._troubles else None
        if isinstance(trouble, Overloaded):
            raise trouble
        self.waiting += 1
        self.waiting_most = max(self.waiting_most, self.waiting)
        return self._thread.submit(self._answer, number_of(command), trouble)

    def _answer(self, number: int, trouble: Exception | None) -> Receipt:
        self.waiting -= 1
        self.asked.append(number)
        if trouble is not None:
            raise trouble
        refusal = Refusal("slot-full", "", {}) if number % 10 == 9 else None
        return Receipt(number, None if refusal else {}, refusal, replayed=number % 10 == 0)


def command(number: int) -> Command:
    return Command(
        command_id=number.to_bytes(16), fingerprint=b"", caller=OPERATOR, at=datetime(2011, 1, 1, tzinfo=UTC)
    )


def number_of(one: Command) -> int:
    return int.from_bytes(one.command_id)


def test_commands_are_played_in_order_and_their_receipts_counted():
    desk, received = DeskThatAnswers(), []

    played = play(
        desk, map(command, range(100)), stage="s", on_receipt=lambda one, receipt: received.append(receipt.position)
    )

    assert desk.asked == received == list(range(100))
    assert (played.accepted, played.refused, played.replayed) == (90, Counter({"slot-full": 10}), 10)


def test_a_bounded_number_is_in_flight_and_the_stream_is_not_read_ahead():
    desk, made = DeskThatAnswers(), []

    def commands():
        for number in range(200):
            assert number - desk.asked.__len__() <= 8
            made.append(number)
            yield command(number)

    play(desk, commands(), stage="s", in_flight_max=8)

    assert len(made) == 200
    assert desk.waiting_most <= 8


def test_an_overloaded_desk_is_asked_again_with_the_same_command():
    desk = DeskThatAnswers([Overloaded(0.001), None, Overloaded(0.001), Overloaded(0.001), None])

    played = play(desk, map(command, range(3)), stage="s")

    assert desk.asked == [0, 1, 2]
    assert played.accepted == 3


def test_a_command_whose_outcome_is_unknown_is_asked_again(monkeypatch):
    monkeypatch.setattr(playing, "UNKNOWN_RETRY_S", 0.001)
    desk = DeskThatAnswers([OutcomeUnknown(), None])

    played = play(desk, map(command, range(2)), stage="s")

    assert Counter(desk.asked) == Counter([0, 0, 1])
    assert played.accepted == 2


def test_a_desk_that_takes_nothing_for_too_long_ends_the_play(monkeypatch):
    monkeypatch.setattr(playing, "PATIENCE_S", 0.01)

    with pytest.raises(Overloaded):
        play(DeskThatAnswers([Overloaded(0.001)] * 1000), [command(1)], stage="s")


def test_what_was_sent_is_settled_when_the_stream_breaks_off():
    def commands():
        yield command(1)
        raise KeyError

    received = []

    with pytest.raises(KeyError):
        play(
            DeskThatAnswers(), commands(), stage="s", on_receipt=lambda one, receipt: received.append(receipt.position)
        )

    assert received == [1]


def test_threads_switch_as_before_after_a_play():
    before = sys.getswitchinterval()

    with Player(DeskThatAnswers()):
        during = sys.getswitchinterval()

    assert during < before == sys.getswitchinterval()


@pytest.mark.parametrize(
    ("count", "milestone"), [(0, 0), (1, 1), (9, 1), (10, 10), (249_999, 100_000), (2_500_000, 2_000_000)]
)
def test_the_last_milestone_is_the_highest_threshold_reached(count, milestone):
    assert last_milestone(count) == milestone


def test_progress_without_a_terminal_is_a_line_now_and_then_and_one_at_the_end_of_each_stage(monkeypatch):
    monkeypatch.setattr(playing, "LINE_EVERY_S", 3600)
    out = StringIO()

    with Progress(Console(file=out, width=200)) as progress:
        for done in range(5):
            progress(Standing("clinics", done, 4))
        for done in range(12):
            progress(Standing("bookings", done, None, running_count=done))

    first, second = out.getvalue().splitlines()
    assert first.startswith("clinics: 4 of 4, ")
    assert second.startswith("bookings: 11, ")
    assert second.endswith("running count 11, last milestone 10")


def test_progress_on_a_terminal_is_a_bar():
    out = StringIO()

    with Progress(Console(file=out, width=200, force_terminal=True)) as progress:
        progress(Standing("bookings", 0, 20, running_count=0))
        progress(Standing("bookings", 20, 20, running_count=20))

    assert "20/20" in out.getvalue()
    assert "last milestone 10" in out.getvalue()
