"""What people were told, and what became of it: table `message`, in SQL. No personal data is here, and no text."""

from collections.abc import Collection, Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from domain.calendar import RIYADH, local_date

#: A receipt of nothing that was sent is kept for so long, for a message whose sending is about to be noted.
STRAY_RECEIPT_KEEP: timedelta = timedelta(hours=1)

_THIS = "position = %(position)s AND kind = %(kind)s AND channel = %(channel)s"


class Queued(NamedTuple):
    """A message on one of its ways, taken up for an attempt."""

    position: int
    kind: str
    channel: str
    person: str
    booking: str
    attempts: int  # with this one


class ReminderHour(NamedTuple):
    since: datetime
    sent: int
    delivered: int


def enqueue(
    connection: Connection[Any], *, position: int, topic: str, kind: str, channels: Sequence[str], now: datetime
) -> bool:
    """In the caller's transaction: with the position that says the fact was seen. Whose it is, the log says.

    False: it is there already, or the log has no such fact.
    """
    query = """
        INSERT INTO message (position, kind, channel, person, booking, queued_at, due_at)
        SELECT position, %(kind)s, channel, person, booking, %(now)s, %(now)s
        FROM public.log, unnest(%(channels)s::text[]) AS channel
        WHERE position = %(position)s AND type = %(topic)s AND person IS NOT NULL AND booking IS NOT NULL
          AND NOT EXISTS (SELECT FROM message WHERE position = %(position)s AND kind = %(kind)s)
        ON CONFLICT DO NOTHING
    """
    asked = {"position": position, "topic": topic, "kind": kind, "channels": list(channels), "now": now}
    return connection.execute(query, asked).rowcount > 0


def enqueue_reminders(
    connection: Connection[Any], day: date, *, channels: Sequence[str], placed_before: datetime, now: datetime
) -> int | None:
    """Of the visits that stand on the day and were placed there before an instant. None: that has been done."""
    query = """
        INSERT INTO message (position, kind, channel, person, booking, queued_at, due_at)
        SELECT last_position, 'reminder', way.channel, booking.person, booking.booking, %(now)s, %(now)s
        FROM view_catalogue.office JOIN view_bookings.booking USING (office)
        JOIN public.log ON log.position = last_position AND log.at < %(placed_before)s
        CROSS JOIN unnest(%(channels)s::text[]) AS way (channel)
        WHERE starts_at >= %(midnight)s AND starts_at < %(midnight)s + interval '1 day'
          AND status = 'confirmed' AND NOT unplaced AND booking.person IS NOT NULL
        ON CONFLICT DO NOTHING
    """
    midnight = datetime.combine(day, datetime.min.time(), RIYADH)
    asked = {"midnight": midnight, "channels": list(channels), "placed_before": placed_before, "now": now}
    with connection.transaction():
        done = connection.execute("INSERT INTO reminded_day VALUES (%s, %s) ON CONFLICT DO NOTHING", (day, now))
        if not done.rowcount:
            return None
        return connection.execute(query, asked).rowcount


def take_up(
    connection: Connection[Any], now: datetime, *, retry_first_s: int, retry_s_max: int, resting: Collection[str] = ()
) -> Queued | None:
    """The message that has been due longest, but for those whose channel rests.

    Should the process end before it tells what came of the attempt, the message is due again when a retry would be.
    """
    query = """
        UPDATE message
        SET attempts = attempts + 1,
            due_at = %(now)s + least(%(first)s * 2.0 ^ least(attempts, 30), %(most)s) * interval '1 second'
        WHERE (position, kind, channel) = (
            SELECT position, kind, channel FROM message WHERE due_at <= %(now)s AND channel <> ALL(%(resting)s)
            ORDER BY due_at, position LIMIT 1 FOR UPDATE SKIP LOCKED)
        RETURNING position, kind, channel, person, booking, attempts
    """
    asked = {"now": now, "first": retry_first_s, "most": retry_s_max, "resting": list(resting)}
    with connection.cursor(row_factory=class_row(Queued)) as cursor:
        return cursor.execute(query, asked).fetchone()


def told_today(connection: Connection[Any], message: Queued, now: datetime) -> int:
    """Other messages to the person that were tried on this day, office time."""
    query = """
        SELECT count(DISTINCT (position, kind)) FROM message
        WHERE person = %(person)s AND tried_at >= %(midnight)s AND tried_at < %(midnight)s + interval '1 day'
          AND (position, kind) <> (%(position)s, %(kind)s)
    """
    midnight = datetime.combine(local_date(now), datetime.min.time(), RIYADH)
    [(told,)] = connection.execute(query, message._asdict() | {"midnight": midnight}).fetchall()
    return int(told)


# -- what came of an attempt ------------------------------------------------------------------------------------------


def suppress(connection: Connection[Any], message: Queued, why: str, now: datetime) -> None:
    _end(connection, message, "suppressed", why, now, tried=False)


def fail(connection: Connection[Any], message: Queued, why: str, now: datetime) -> None:
    _end(connection, message, "failed", why, now, tried=True)


def put_off(connection: Connection[Any], message: Queued, why: str, now: datetime) -> None:
    """It stays queued; `take_up` has said until when."""
    query = f"UPDATE message SET why = %(why)s, tried_at = coalesce(tried_at, %(now)s) WHERE {_THIS}"
    connection.execute(query, message._asdict() | {"why": why, "now": now})


def hand_over(connection: Connection[Any], message: Queued, receipts: Sequence[str], now: datetime) -> None:
    """Where no receipt will follow, being taken over is all there is to know: it counts as delivered."""
    query = f"""
        UPDATE message
        SET state = CASE WHEN %(awaited)s THEN 'sent' ELSE 'delivered' END, why = NULL, due_at = NULL,
            tried_at = coalesce(tried_at, %(now)s), sent_at = %(now)s,
            settled_at = CASE WHEN %(awaited)s THEN NULL::timestamptz ELSE %(now)s END
        WHERE {_THIS}
    """
    noting = """
        INSERT INTO message_part (receipt, position, kind, channel, noted_at)
        SELECT receipt, %(position)s, %(kind)s, %(channel)s, %(now)s FROM unnest(%(receipts)s::text[]) AS receipt
        ON CONFLICT (receipt) DO UPDATE
        SET (position, kind, channel) = (excluded.position, excluded.kind, excluded.channel)
    """
    asked = message._asdict() | {"now": now, "awaited": bool(receipts), "receipts": list(receipts)}
    with connection.transaction():
        connection.execute(query, asked)
        connection.execute(noting, asked)
        _settle(connection, list(receipts), now)


def note_receipt(connection: Connection[Any], receipt: str, *, is_delivered: bool, why: str, now: datetime) -> None:
    query = """
        INSERT INTO message_part (receipt, delivered, why, noted_at) VALUES (%s, %s, %s, %s)
        ON CONFLICT (receipt) DO UPDATE SET delivered = excluded.delivered, why = excluded.why
    """
    with connection.transaction():
        connection.execute(query, (receipt, is_delivered, why, now))
        _settle(connection, [receipt], now)


def end_waiting(connection: Connection[Any], now: datetime, wait: timedelta) -> None:
    """Messages whose receipts will not come any more stay sent: nobody knows whether they arrived."""
    with connection.transaction():
        connection.execute(
            """UPDATE message SET settled_at = %(now)s, why = 'no-receipt'
               WHERE state = 'sent' AND settled_at IS NULL AND sent_at < %(last)s""",
            {"now": now, "last": now - wait},
        )
        connection.execute(
            "DELETE FROM message_part WHERE noted_at < CASE WHEN position IS NULL THEN %s ELSE %s END",
            (now - STRAY_RECEIPT_KEEP, now - wait - STRAY_RECEIPT_KEEP),
        )


def _end(connection: Connection[Any], message: Queued, state: str, why: str, now: datetime, *, tried: bool) -> None:
    query = f"""
        UPDATE message
        SET state = %(state)s, why = %(why)s, due_at = NULL, settled_at = %(now)s,
            tried_at = CASE WHEN %(tried)s THEN coalesce(tried_at, %(now)s) ELSE tried_at END
        WHERE {_THIS}
    """
    connection.execute(query, message._asdict() | {"state": state, "why": why, "now": now, "tried": tried})


def _settle(connection: Connection[Any], receipts: Sequence[str], now: datetime) -> None:
    """A message has arrived when all its parts have, and is lost when one of them is."""
    query = """
        WITH of AS (
            SELECT position, kind, channel FROM message_part WHERE receipt = ANY(%(receipts)s) AND position IS NOT NULL
        ), told AS (
            SELECT position, kind, channel, bool_and(delivered) AS arrived, bool_or(NOT delivered) AS lost,
                   bool_and(delivered IS NOT NULL) AS all_told, min(why) FILTER (WHERE NOT delivered) AS why
            FROM message_part JOIN of USING (position, kind, channel) GROUP BY position, kind, channel
        )
        UPDATE message
        SET state = CASE WHEN told.lost THEN 'failed' ELSE 'delivered' END, why = told.why, settled_at = %(now)s
        FROM told
        WHERE (message.position, message.kind, message.channel) = (told.position, told.kind, told.channel)
          AND (told.lost OR (told.arrived AND told.all_told)) AND settled_at IS NULL
    """
    connection.execute(query, {"receipts": list(receipts), "now": now})


# -- reminders --------------------------------------------------------------------------------------------------------


def hours_to_tell(connection: Connection[Any], now: datetime) -> Sequence[ReminderHour]:
    """Hours of reminders of which everything is known and no fact tells yet. A reminder that went several ways counts
    once, in the hour it was first tried, and has arrived if it did by any of them."""
    query = """
        WITH reminder AS (
            SELECT position, date_trunc('hour', min(tried_at)) AS since, bool_or(state = 'delivered') AS arrived,
                   bool_and(settled_at IS NOT NULL) AS settled
            FROM message WHERE kind = 'reminder' GROUP BY position
            HAVING min(tried_at) >= %(first)s
        )
        SELECT since, count(*) AS sent, count(*) FILTER (WHERE arrived) AS delivered FROM reminder
        WHERE since < date_trunc('hour', %(now)s::timestamptz)
          AND NOT EXISTS (SELECT FROM reminder_hour WHERE reminder_hour.since = reminder.since)
        GROUP BY since HAVING bool_and(settled) ORDER BY since
    """
    with connection.cursor(row_factory=class_row(ReminderHour)) as cursor:
        return cursor.execute(query, {"now": now, "first": now - _LOOK_BACK}).fetchall()


def hour_is_told(connection: Connection[Any], since: datetime, now: datetime) -> None:
    connection.execute("INSERT INTO reminder_hour VALUES (%s, %s) ON CONFLICT DO NOTHING", (since, now))


#: Longer than any wait for retries and receipts.
_LOOK_BACK = timedelta(days=14)
