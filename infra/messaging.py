"""Telling people: what was queued leaves, one message after another, and what becomes of it is noted.

One process at a time does it, whoever holds the lock. Nothing of a person is opened before a message of theirs is due,
still true, and not one too many; each opening is logged with the message it was for.
"""

from collections.abc import Sequence
from concurrent.futures import Future
from datetime import UTC, datetime, time, timedelta
from functools import partial
from threading import Event as Signal
from time import monotonic
from typing import Any, Final

import psycopg
import structlog
from psycopg import Connection

from consumers.composing import Name, Names, compose, language_of
from consumers.notices import Kind, Notice, Outdated, kind_of, outdated
from consumers.sending import Away, Channel, Envelope, Refused, SendingFailed, Unavailable
from consumers.sms import Sms, SmsReceipt
from domain.calendar import RIYADH, local_date
from domain.commands import Caller, RecordReminders
from domain.events import Event, Fact
from domain.ports import OutcomeUnknown, Overloaded, Receipt
from infra import message_log
from infra.bootstrap import Instance
from infra.message_channels import open_channels
from infra.message_log import Queued
from infra.vault import Erased, PersonData, VaultError
from projections import history
from projections.log import head
from projections.projection import wait_for

WHO: Final = "consumer/messages"
SYSTEM: Final = Caller(role="system", subject="messages")
LOOK_S: Final = 0.25
_UPKEEP_EVERY_S: Final = 60.0
_VIEW_WAIT_S: Final = 2.0
_VIEWS: Final = ("bookings", "catalogue")
_LOCK: Final = "SELECT pg_try_advisory_lock(hashtextextended('mawid messages', 0))"
_DAY: Final = timedelta(days=1)

_log = structlog.get_logger("messages")


def queue_message(
    connection: Connection[Any], position: int, event: Event, *, channels: Sequence[str], now: datetime
) -> bool:
    """What the consumer of the topic does with a fact, in the transaction that saves its position. Again: nothing."""
    kind = kind_of(event)
    if kind is None:
        return False
    return message_log.enqueue(connection, position=position, topic=event.TOPIC, kind=kind, channels=channels, now=now)


class Messenger:
    def __init__(self, instance: Instance, connection: Connection[Any], channels: Sequence[Channel]) -> None:
        """`connection`: in autocommit, and nobody else's."""
        self._instance, self._connection = instance, connection
        self._limits = instance.settings.messages
        self._channels = {channel.name: channel for channel in channels}
        self._rested: dict[str, float] = {}

    # -- one message --------------------------------------------------------------------------------------------------

    def send_next(self, now: datetime) -> bool:
        """False: none is due."""
        limits = self._limits
        queued = message_log.take_up(
            self._connection,
            now,
            retry_first_s=limits.message_retry_first_s,
            retry_s_max=limits.message_retry_s_max,
            resting=self._resting(),
        )
        if queued is None:
            return False
        if queued.attempts > limits.message_attempts_max:  # the process ended in the middle of the last
            message_log.fail(self._connection, queued, "attempts", now)
            return True
        channel = self._channels.get(queued.channel)
        if channel is None:
            message_log.suppress(self._connection, queued, "no-channel", now)
            return True
        envelope = self._envelope(queued, now)
        if envelope is not None:
            self._attempt(queued, channel, envelope, now)
        return True

    def _attempt(self, queued: Queued, channel: Channel, envelope: Envelope, now: datetime) -> None:
        try:
            handed = channel.send(envelope)
        except Unavailable as failure:
            if isinstance(failure, Away):
                self._rest(channel, failure)
            if queued.attempts < self._limits.message_attempts_max:
                message_log.put_off(self._connection, queued, failure.why, now)
            else:
                self._give_up(queued, failure, now)
        except Refused as failure:
            self._give_up(queued, failure, now)
        else:
            message_log.hand_over(self._connection, queued, handed.receipts, now)

    def _give_up(self, queued: Queued, failure: SendingFailed, now: datetime) -> None:
        message_log.fail(self._connection, queued, failure.why, now)
        told = {"position": queued.position, "kind": queued.kind, "channel": queued.channel}
        _log.warning("a message was given up", **told, why=failure.why, attempts=queued.attempts)

    def _envelope(self, queued: Queued, now: datetime) -> Envelope | None:
        """None: it is not to be sent, and why has been noted."""
        notice = Notice(queued.position, Kind(queued.kind), queued.person, queued.booking)
        facts = [told.fact for told in history.of_booking(self._connection, queued.booking)]
        why: str | None = outdated(notice, facts, now, timedelta(hours=self._limits.message_late_h_max))
        if why is None and self._is_one_too_many(queued, now):
            why = "cap"
        person = None
        if why is None:
            why, person = self._open(notice)
        if person is None or person.mobile is None:
            # A reminder is queued in time: that it did not leave in time is a failure, and C2 is to say so.
            is_failure = notice.kind is Kind.REMINDER and why is Outdated.PAST
            end = message_log.fail if is_failure else message_log.suppress
            end(self._connection, queued, why or "no-mobile", now)
            return None
        message = compose(
            notice,
            facts,
            names=self._names(facts),
            reference=self._instance.reference_of(notice.booking),
            language=language_of(person.language),
        )
        return Envelope(message=message, mobile=person.mobile, id=f"{notice.position}.{notice.kind}", at=now)

    def _is_one_too_many(self, queued: Queued, now: datetime) -> bool:
        return message_log.told_today(self._connection, queued, now) >= self._limits.person_day_messages_max

    def _open(self, notice: Notice) -> tuple[str | None, PersonData | None]:
        """Why not, or who it is."""
        why = f"{notice.kind} {notice.booking}"
        try:
            data = self._instance.vault.open_person(self._connection, notice.person, WHO, why)
        except VaultError:
            return "sealed", None
        return ("erased", None) if isinstance(data, Erased) else (None, data)

    def _names(self, facts: Sequence[Fact]) -> Names:
        """Of the offices and services that the booking has seen."""
        codes = [[getattr(fact.event, what, None) for fact in facts] for what in ("office", "service")]
        found = [
            {
                code: Name(ar, en)
                for code, ar, en in self._connection.execute(
                    f"SELECT {what}, name_ar, name_en FROM view_catalogue.{what} WHERE {what} = ANY(%s)", (asked,)
                )
            }
            for what, asked in zip(("office", "service"), codes, strict=True)
        ]
        return Names(*found)

    def _rest(self, channel: Channel, failure: Away) -> None:
        """What is away costs its whole timeout to find out: meanwhile the other ways stay open."""
        self._rested[channel.name] = monotonic() + self._limits.message_server_rest_s
        _log.warning("a server of messages is away", channel=channel.name, why=failure.why)

    def _resting(self) -> list[str]:
        return [name for name, until in self._rested.items() if monotonic() < until]

    # -- what comes back, and what the clock brings -------------------------------------------------------------------

    def listen(self) -> None:
        """Receipts that have come in are noted."""
        resting = self._resting()
        for channel in self._channels.values():
            if isinstance(channel, Sms) and channel.name not in resting:
                try:
                    channel.listen()
                except Away as failure:
                    self._rest(channel, failure)

    def remind(self, now: datetime) -> int:
        """The day before, once its hour has come and the views know of all that was booked by then."""
        hour = time.fromisoformat(self._limits.reminder_at)
        today = local_date(now)
        due = datetime.combine(today, hour, RIYADH)
        connection = self._connection
        if now < due or not wait_for(connection, _VIEWS, head(connection), _VIEW_WAIT_S):
            return 0
        names = list(self._channels)
        return message_log.enqueue_reminders(connection, today + _DAY, channels=names, placed_before=due, now=now) or 0

    def end_waiting(self, now: datetime) -> None:
        message_log.end_waiting(self._connection, now, timedelta(hours=self._limits.sms_valid_h))

    def tell_hours(self, now: datetime) -> int:
        """Facts of what became of the reminders, hour by hour; told once, whoever tries again."""
        hours = message_log.hours_to_tell(self._connection, now)
        for hour in hours:
            stamp = self._instance.stamp(SYSTEM, f"reminders/{hour.since.astimezone(UTC).isoformat()}", now)
            telling: Future[Receipt] = self._instance.desk.submit(RecordReminders(**stamp, **hour._asdict()))
            telling.result()
            message_log.hour_is_told(self._connection, hour.since, now)
        return len(hours)


def note_receipt(connection: Connection[Any], receipt: SmsReceipt) -> None:
    now = datetime.now(UTC)
    message_log.note_receipt(connection, receipt.id, is_delivered=receipt.is_delivered, why=receipt.why, now=now)


def run_messages(instance: Instance, stopping: Signal) -> None:
    """Until told to stop. A database that is away is waited for; of several processes one sends, others stand by."""
    while not stopping.is_set():
        try:
            with psycopg.connect(instance.dsn, autocommit=True) as connection:
                _run(instance, connection, stopping)
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            _log.warning("the database is away", error=type(error).__name__)
            stopping.wait(LOOK_S)
        except psycopg.errors.UndefinedTable:
            _log.warning("messages wait for the views: `mawid serve` or `mawid follow` makes them")
            stopping.wait(instance.settings.messages.message_server_rest_s)


def _run(instance: Instance, connection: Connection[Any], stopping: Signal) -> None:
    while connection.execute(_LOCK).fetchone() != (True,):
        if stopping.wait(LOOK_S):
            return
    settings = instance.settings
    messages, urls = settings.messages, settings.instance.notify_urls
    channels = open_channels(messages, urls, partial(note_receipt, connection))
    messenger = Messenger(instance, connection, channels)
    next_upkeep = 0.0
    try:
        while not stopping.is_set():
            now = datetime.now(UTC)
            has_sent = messenger.send_next(now)
            messenger.listen()
            if monotonic() >= next_upkeep:
                next_upkeep = monotonic() + _UPKEEP_EVERY_S
                _keep_up(messenger, now, in_system_clock=settings.instance.clock == "system")
            if not has_sent:
                stopping.wait(LOOK_S)
    finally:
        for channel in channels:
            channel.close()


def _keep_up(messenger: Messenger, now: datetime, *, in_system_clock: bool) -> None:
    """An instance that takes its time from requests has no tomorrow to remind of."""
    messenger.end_waiting(now)
    if not in_system_clock:
        return
    messenger.remind(now)
    try:
        messenger.tell_hours(now)
    except (Overloaded, OutcomeUnknown) as error:
        _log.warning("an hour of reminders waits to be recorded", error=type(error).__name__)
