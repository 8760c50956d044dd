"""What a consumer has seen of the log, and where in a topic it goes on: in SQL, in the caller's transaction."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import Connection


class Told(NamedTuple):
    """A fact as a topic tells it."""

    position: int
    stream: str
    stream_version: int
    type: str
    data: bytes


class Noted(NamedTuple):
    known: set[int]  # which of those told the log has, by their index; nobody else is believed
    new: set[int]  # positions that were not seen before


def note(connection: Connection[Any], consumer: str, told: Sequence[Told]) -> Noted:
    """Locks what is new until the transaction ends: another process with the same facts waits, and then has none."""
    query = """
        WITH told AS (
            SELECT n, position FROM unnest(%s::bigint[], %s::text[], %s::bigint[], %s::text[], %s::bytea[])
                WITH ORDINALITY AS told (position, stream, version, type, data, n)
            JOIN public.log USING (position)
            WHERE log.stream = told.stream AND log.stream_version = version AND log.type = told.type
              AND log.state = data
        ), noted AS (
            INSERT INTO consumer_inbox SELECT DISTINCT %s, position FROM told ORDER BY position
            ON CONFLICT DO NOTHING RETURNING position
        )
        SELECT n - 1, position, noted.position IS NOT NULL FROM told LEFT JOIN noted USING (position)
    """
    rows = connection.execute(query, (*([*column] for column in zip(*told, strict=True)), consumer)).fetchall()
    return Noted({n for n, _, _ in rows}, {position for _, position, is_new in rows if is_new})


def places(connection: Connection[Any], consumer: str, topic_id: UUID) -> dict[int, int]:
    rows = connection.execute(
        "SELECT partition, next_offset FROM consumer_place WHERE consumer = %s AND topic_id = %s", (consumer, topic_id)
    )
    return dict(rows.fetchall())


def save_places(connection: Connection[Any], consumer: str, next_offsets: Mapping[tuple[UUID, int], int]) -> None:
    """In one order, so that two processes do not lock each other out."""
    rows = [(topic_id, partition, next_offsets[topic_id, partition]) for topic_id, partition in sorted(next_offsets)]
    connection.execute(
        """
        INSERT INTO consumer_place (consumer, topic_id, partition, next_offset)
        SELECT %s, topic_id, partition, next_offset
        FROM unnest(%s::uuid[], %s::integer[], %s::bigint[]) AS place (topic_id, partition, next_offset)
        ON CONFLICT (consumer, topic_id, partition)
        DO UPDATE SET next_offset = excluded.next_offset, saved_at = clock_timestamp()
        """,
        (consumer, *([*column] for column in zip(*rows, strict=True))),
    )
