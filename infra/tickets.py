"""A command on its way through the desk, and its answer on the way back to the thread or event loop that asked."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import structlog

from domain.commands import Command
from domain.ports import Receipt

_log = structlog.get_logger("desk")

Answer = Receipt | Exception


@dataclass(slots=True)
class Ticket:
    command: Command
    future: "Future[Receipt] | asyncio.Future[Receipt]"
    loop: asyncio.AbstractEventLoop | None


def settle(answers: Iterable[tuple[Ticket, Answer]]) -> None:
    """Each event loop is woken once for all of its answers."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[Any, Answer]]] = defaultdict(list)
    for ticket, answer in answers:
        if ticket.loop is not None:
            by_loop[ticket.loop].append((ticket.future, answer))
        elif isinstance(answer, Exception):
            ticket.future.set_exception(answer)
        else:
            ticket.future.set_result(answer)
    for loop, settled in by_loop.items():
        try:
            loop.call_soon_threadsafe(_settle_in_loop, settled)
        except RuntimeError:  # the loop is closed: its callers are gone, their commands are in the log
            _log.warning("answers without a caller", answers=len(settled))


def _settle_in_loop(settled: list[tuple[Any, Answer]]) -> None:
    for future, answer in settled:
        if future.done():  # the caller has gone away
            continue
        if isinstance(answer, Exception):
            future.set_exception(answer)
        else:
            future.set_result(answer)
