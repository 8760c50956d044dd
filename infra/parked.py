"""What consumers gave up on, with the reason: table `parked`, in SQL."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row

PARKED = "mawid.parked.v1"


class Parked(NamedTuple):
    id: int
    consumer: str
    topic: str
    topic_id: UUID
    partition: int
    offset: int
    why: str
    size: int  # of the body
    parked_at: datetime
    body: bytes | None = None  # read by who takes it up alone


_COLUMNS = 'id, consumer, topic, topic_id, partition, "offset", why, bytes AS size, parked_at'


def park(
    connection: Connection[Any],
    *,
    consumer: str,
    topic: str,
    topic_id: UUID,
    partition: int,
    offset: int,
    why: str,
    size: int,
    body: bytes | None,
    bodies_max: int,
    now: datetime,
) -> None:
    """In the caller's transaction. Again: nothing."""
    connection.execute(
        """
        INSERT INTO parked (consumer, topic, topic_id, partition, "offset", why, bytes, body, parked_at)
        SELECT %(consumer)s, %(topic)s, %(topic_id)s, %(partition)s, %(offset)s, %(why)s, %(size)s,
               CASE WHEN (SELECT count(*) FROM parked WHERE consumer = %(consumer)s AND body IS NOT NULL)
                         < %(bodies_max)s THEN %(body)s::bytea END, %(now)s
        ON CONFLICT DO NOTHING
        """,
        {
            "consumer": consumer, "topic": topic, "topic_id": topic_id, "partition": partition, "offset": offset,
            "why": why, "size": size, "body": body, "bodies_max": bodies_max, "now": now,
        },
    )  # fmt: skip


def unpublished(connection: Connection[Any], consumer: str, limit: int) -> list[Parked]:
    with connection.cursor(row_factory=class_row(Parked)) as cursor:
        return cursor.execute(
            f"SELECT {_COLUMNS} FROM parked WHERE consumer = %s AND published_at IS NULL ORDER BY id LIMIT %s",
            (consumer, limit),
        ).fetchall()


def note_published(connection: Connection[Any], ids: Sequence[int], now: datetime) -> None:
    connection.execute("UPDATE parked SET published_at = %s WHERE id = ANY(%s)", (now, list(ids)))


def listed(
    connection: Connection[Any], *, consumer: str | None = None, after: int = 0, limit: int | None = None
) -> list[Parked]:
    with connection.cursor(row_factory=class_row(Parked)) as cursor:
        return cursor.execute(
            f"""SELECT {_COLUMNS} FROM parked
            WHERE (%(consumer)s::text IS NULL OR consumer = %(consumer)s) AND id > %(after)s
            ORDER BY id LIMIT %(limit)s""",
            {"consumer": consumer, "after": after, "limit": limit},
        ).fetchall()


def taken_up(connection: Connection[Any], parked: int) -> Parked | None:
    """Locked, so that two who retry it do so one after the other."""
    with connection.cursor(row_factory=class_row(Parked)) as cursor:
        return cursor.execute(f"SELECT {_COLUMNS}, body FROM parked WHERE id = %s FOR UPDATE", (parked,)).fetchone()


def give_new_reason(connection: Connection[Any], parked: int, why: str) -> None:
    connection.execute("UPDATE parked SET why = %s WHERE id = %s", (why, parked))


def drop(connection: Connection[Any], parked: int) -> bool:
    return connection.execute("DELETE FROM parked WHERE id = %s", (parked,)).rowcount > 0
