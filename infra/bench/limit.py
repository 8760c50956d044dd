"""L, the machine's own limit: one locked call a batch that inserts rows of the log's shape, and nothing decided."""

import os
import time
from datetime import UTC, datetime

import psycopg

BATCH_EVENTS = 1_000
_TABLE = """
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


def events_per_s(dsn: str, seconds: float) -> float:
    state = os.urandom(80).hex().encode()
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(_TABLE)
        done, started = 0, time.monotonic()
        while (elapsed := time.monotonic() - started) < seconds:
            streams = [f"slot/CA-TB-01@2011-02-05T{done + n:08}" for n in range(BATCH_EVENTS)]
            batch = (streams, [1] * BATCH_EVENTS, [state] * BATCH_EVENTS, datetime.now(UTC))
            connection.execute("SELECT append(%b::text[], %b::bigint[], %b::bytea[], %s)", batch)
            done += BATCH_EVENTS
    return done / elapsed
