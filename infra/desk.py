"""The desk: a queue, and one writer thread that commits whatever has queued up as one batch. Nothing is answered before
its COMMIT has returned; a lost COMMIT is settled by asking the log under its lock, which is what a retry does anyway.
"""

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Event, Thread

import psycopg
import structlog

from domain.commands import Command
from domain.ports import OutcomeUnknown, Overloaded, Receipt
from domain.state import State
from infra.batch import Batch, CommandFailed
from infra.settings import Desk as Limits
from infra.tickets import Ticket, settle
from infra.writer_session import WriterSession

_log = structlog.get_logger("desk")


#: How long a batch waits for company at most, and how often it looks.
COMPANY_S_MAX = 0.01
COMPANY_LOOK_S = 0.0005


class CommandFault(Exception):
    """This one command cannot be carried out for a fault of ours; it changed nothing."""


@dataclass(slots=True)
class Attempt:
    number: int = 0
    commit_sent: bool = False  # and not answered: it may have happened


@dataclass(slots=True)
class DeskCounts:
    """Running figures for metrics; written by the writer thread alone."""

    batches: int = 0
    commands: int = 0
    lost_connections: int = 0
    refused: dict[str, int] = field(default_factory=lambda: defaultdict(int))


class GroupCommitDesk:
    def __init__(self, dsn: str, batch: Batch, state: State, limits: Limits) -> None:
        self._is_closing = Event()
        self._session = WriterSession(dsn, limits.lock_wait_ms_max, self._is_closing)
        self._batch = batch
        self._state = state
        self._limits = limits
        self._queue: SimpleQueue[Ticket | None] = SimpleQueue()
        self._put_back: list[Ticket] = []  # decided next: the last batch was full before their turn came
        self._rate_per_s = 5_000.0
        self._answered_last = 0
        self.counts = DeskCounts()
        self._thread = Thread(target=self._work, name="desk", daemon=True)
        self._thread.start()

    # -- callers ----------------------------------------------------------------------------------------------------

    def submit(self, command: Command) -> "Future[Receipt]":
        future: Future[Receipt] = Future()
        self._admit(Ticket(command, future, None))
        return future

    def submit_async(self, command: Command) -> "asyncio.Future[Receipt]":
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Receipt] = loop.create_future()
        self._admit(Ticket(command, future, loop))
        return future

    def waiting(self) -> int:
        """Commands in the queue."""
        return self._queue.qsize()

    def close(self) -> None:
        """Commit what is queued, then stop."""
        self._is_closing.set()
        self._queue.put(None)
        self._thread.join()

    def _admit(self, ticket: Ticket) -> None:
        waiting = self._queue.qsize()
        if waiting >= self._limits.queue_commands_max or self._session.is_away or self._is_closing.is_set():
            # Jittered, so that those refused together do not come back together.
            raise Overloaded(max(1.0, waiting / self._rate_per_s) * random.uniform(1.0, 2.0))  # noqa: S311
        self._queue.put(ticket)

    # -- the writer thread ------------------------------------------------------------------------------------------

    def _work(self) -> None:
        while True:
            tickets = self._take()
            if not tickets:
                break
            started = time.monotonic()
            self._serve(tickets)
            elapsed = time.monotonic() - started
            self._rate_per_s = 0.9 * self._rate_per_s + 0.1 * len(tickets) / max(elapsed, 1e-6)
        self._session.close()

    def _take(self) -> list[Ticket]:
        """Whatever has queued up, in order; waits for the first. Empty: the desk is closed and drained."""
        tickets, self._put_back = self._put_back, []
        if not tickets:
            first = self._queue.get()
            if first is None:  # closing: what came in beside it is the last batch
                first = self._next_ticket()
                if first is None:
                    return []
                self._queue.put(None)
            tickets.append(first)
        self._await_company()
        while len(tickets) < self._limits.batch_commands_max:
            ticket = self._next_ticket()
            if ticket is None:
                break
            tickets.append(ticket)
        return tickets

    def _await_company(self) -> None:
        """Those answered last time are likely on their way back: wait for as many, but only while they keep coming.

        A small batch costs nearly as much as a large one, and beside a busy event loop it would be decided again and
        again for one or two. Nobody alone waits, since nobody else was answered with them.
        """
        until = time.monotonic() + COMPANY_S_MAX
        waiting = self._queue.qsize()
        while waiting + 1 < self._answered_last and time.monotonic() < until:
            time.sleep(COMPANY_LOOK_S)
            before, waiting = waiting, self._queue.qsize()
            if waiting == before:
                break

    def _next_ticket(self) -> Ticket | None:
        """None: there is none now. The mark of closing stays in the queue, behind what it was put behind."""
        try:
            ticket = self._queue.get_nowait()
        except Empty:
            return None
        if ticket is None:
            self._queue.put(None)
        return ticket

    def _serve(self, tickets: list[Ticket]) -> None:
        """Commit a batch. A command that breaks in the database is found by halving, and fails alone."""
        try:
            receipts = self._commit_surely(tickets)
        except CommandFailed as failed:
            _log.error("a command failed", exc_info=failed.__cause__)
            settle([(tickets[failed.index], CommandFault(str(failed.__cause__)))])
            rest = tickets[: failed.index] + tickets[failed.index + 1 :]
            if rest:
                self._serve(rest)
        except (Overloaded, OutcomeUnknown) as error:
            settle((ticket, error) for ticket in tickets)
        except Exception as error:  # noqa: BLE001 - whatever broke it, the thread goes on and the caller is told
            if len(tickets) == 1:
                _log.error("a command broke its batch", error=type(error).__name__)
                settle([(tickets[0], CommandFault(type(error).__name__))])
                return
            middle = len(tickets) // 2
            self._serve(tickets[:middle])
            self._serve(tickets[middle:])
        else:
            self._put_back = tickets[len(receipts) :] + self._put_back
            self._answered_last = len(receipts)
            self._count(receipts)
            settle(zip(tickets, receipts, strict=False))

    def _commit_surely(self, tickets: Sequence[Ticket]) -> list[Receipt]:
        """Commit once, or learn what became of it.

        A lost COMMIT may have happened. The same batch is then run again on a new connection: it waits for the lock,
        which the old backend holds until it is gone, so an outcome found there is true,
        and one not found never will be.
        """
        deadline = time.monotonic() + self._limits.commit_unknown_wait_s_max
        commands = self._batch.fitting([ticket.command for ticket in tickets])
        attempt = Attempt()
        while True:
            try:
                receipts = self._commit(commands, attempt)
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                if not self._session.is_broken:
                    raise Overloaded(1.0) from error  # it answered: no lock in time, disk full, read only
                self.counts.lost_connections += 1
                self._state.forget()
                self._session.lost(error)
                if not attempt.commit_sent and attempt.number > 1:
                    raise Overloaded(1.0) from error
                if time.monotonic() > deadline:
                    raise OutcomeUnknown from error
                time.sleep(0.05 if attempt.number > 1 else 0)
            else:
                self._session.committed()
                self._state.trim(self._limits.cache_streams_max)
                return receipts

    def _commit(self, commands: Sequence[Command], attempt: "Attempt") -> list[Receipt]:
        attempt.number += 1
        connection = self._session.connected()
        is_committed = False
        try:
            turn, receipts = self._batch.run(connection, commands)
            attempt.commit_sent = True
            turn.commit()
            is_committed = True
        finally:
            if not is_committed:
                self._state.forget()
                if self._session.rolled_back():
                    attempt.commit_sent = False
        return receipts

    def _count(self, receipts: Sequence[Receipt]) -> None:
        self.counts.batches += 1
        self.counts.commands += len(receipts)
        for receipt in receipts:
            if receipt.refusal is not None:
                self.counts.refused[receipt.refusal.name] += 1
