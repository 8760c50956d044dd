"""L, the machine's own limit: one locked call a batch that inserts rows like the log's, and nothing decided."""

import os
from datetime import UTC, datetime
from typing import Final

import psycopg

from infra.bench.meter import Meter, Trial

BATCH_EVENTS: Final = 1_000
_TABLE: Final = """
    CREATE TABLE head (position bigint NOT NULL);
    INSERT INTO head VALUES (0);
    CREATE TABLE event (position bigint PRIMARY KEY, stream text NOT NULL, version bigint NOT NULL,
                        state bytea NOT NULL, at timestamptz NOT NULL, UNIQUE (stream, version));
    CREATE FUNCTION append(streams text[], versions bigint[], states bytea[], at timestamptz) RETURNS void
    LANGUAGE plpgsql AS $$
    DECLARE last bigint;
    BEGIN
        SELECT position INTO last FROM head FOR UPDATE;
        INSERT INTO event SELECT last + n, s, v, st, at
        FROM unnest(streams, versions, states) WITH ORDINALITY AS batch (s, v, st, n);
        UPDATE head SET position = last + cardinality(streams);
        PERFORM pg_notify('limit', (last + cardinality(streams))::text);
    END $$;
"""


def batches(dsn: str, seconds: float, meter: Meter) -> Trial:
    state = os.urandom(80).hex().encode()
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(_TABLE)
        done = 0
        meter.start()
        while meter.elapsed_s() < seconds:
            streams = [f"slot/CA-TB-01@2011-02-05T{done + n:08}" for n in range(BATCH_EVENTS)]
            batch = (streams, [1] * BATCH_EVENTS, [state] * BATCH_EVENTS, datetime.now(UTC))
            connection.execute("SELECT append(%b::text[], %b::bigint[], %b::bytea[], %s)", batch)
            done += BATCH_EVENTS
        return meter.stop(done)


def booking_rows(dsn: str, seconds: float, meter: Meter) -> Trial:
    """All rows a booking leaves: its event with every column and index, its command's outcome, and a sealed person."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        head = 0
        meter.start()
        while meter.elapsed_s() < seconds:
            with connection.transaction():
                connection.execute("SELECT FROM log_head FOR UPDATE")
                for query, columns in _rows(head):
                    connection.execute(query, columns)
            head += BATCH_EVENTS
        return meter.stop(head)


def _rows(head: int) -> list[tuple[str, tuple[object, ...]]]:
    now, ids = datetime.now(UTC), os.urandom(32 * BATCH_EVENTS)
    keys = [ids[n : n + 32] for n in range(0, len(ids), 32)]
    short, names = [key[:16] for key in keys], [key[:13].hex() for key in keys]
    bookings = [name[:20] for name in names]
    streams = [f"slot/CA-TB-01@2011-02-05T{head + n:08}" for n in range(BATCH_EVENTS)]
    positions = list(range(head + 1, head + 1 + BATCH_EVENTS))
    states, types, versions = [bytes(230)] * BATCH_EVENTS, ["SlotBooked.v1"] * BATCH_EVENTS, [1] * BATCH_EVENTS
    return [
        (
            """SELECT append_to_log(%s, %b::text[], %b::bigint[], %b::text[], %b::text[], %b::text[], %b::bytea[],
                                    %b::timestamptz[], %s, %b::bytea[], %b::bytea[], %s)""",
            (head, streams, versions, types, names, bookings, short, [now] * BATCH_EVENTS, now, states, keys, bytes(8)),
        ),
        (
            """INSERT INTO command_outcome
                   (command_id, fingerprint, first_position, last_position, refused, recorded_at)
               SELECT c, c, p, p, false, %s FROM unnest(%b::bytea[], %b::bigint[]) AS batch (c, p)""",
            (now, short, positions),
        ),
        (
            """INSERT INTO vault.person (person, lookup, kek_id, wrapped_key, number, name, mobile, language)
               SELECT p, l, 'rush', l || l, l, NULL, l, NULL FROM unnest(%b::text[], %b::bytea[]) AS batch (p, l)""",
            (names, keys),
        ),
    ]
