"""L, the machine's own limit: one locked call a batch that inserts events into the log, and nothing decided.

Its second form inserts all that a booking leaves behind: the command's outcome and a sealed person too.
"""

import os
from typing import Final

import psycopg

from infra.bench.meter import Meter, Trial

BATCH_EVENTS: Final = 1_000
_STATE: Final = os.urandom(80).hex().encode()

_APPEND: Final = """
    CREATE FUNCTION append(streams text[], states bytea[], keys bytea[], names text[]) RETURNS void
    LANGUAGE plpgsql AS $$
    DECLARE last bigint;
    BEGIN
        SELECT position INTO last FROM log_head FOR UPDATE;
        INSERT INTO log
            (position, stream, stream_version, type, person, booking, command_id, at, recorded_at, state, leaf)
        SELECT last + n, s, 1, 'SlotBooked.v1', p, left(p, 20), k, now(), now(), st, k
        FROM unnest(streams, states, keys, names) WITH ORDINALITY AS batch (s, st, k, p, n);
        {further}
        UPDATE log_head SET position = last + cardinality(streams);
        PERFORM pg_notify('rush', last::text);
    END $$;
"""
_OUTCOMES_AND_PERSONS: Final = """
        INSERT INTO command_outcome (command_id, fingerprint, first_position, last_position, refused, recorded_at)
        SELECT k, k, last + n, last + n, false, now() FROM unnest(keys) WITH ORDINALITY AS batch (k, n);
        INSERT INTO vault.person (person, lookup, kek_id, wrapped_key, number, mobile)
        SELECT p, k, 'rush', k || k, k || k, k || k FROM unnest(names, keys) AS batch (p, k);
"""


def events(dsn: str, seconds: float, meter: Meter) -> Trial:
    return _appended(dsn, seconds, meter, _APPEND.format(further=""))


def bookings(dsn: str, seconds: float, meter: Meter) -> Trial:
    return _appended(dsn, seconds, meter, _APPEND.format(further=_OUTCOMES_AND_PERSONS))


def _appended(dsn: str, seconds: float, meter: Meter, function: str) -> Trial:
    """Into a migrated database."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(function.encode())
        done = 0
        meter.start()
        while meter.elapsed_s() < seconds:
            streams = [f"slot/CA-TB-01@2011-02-05T{done + n:08}" for n in range(BATCH_EVENTS)]
            keys = [os.urandom(16) for _ in range(BATCH_EVENTS)]
            batch = (streams, [_STATE] * BATCH_EVENTS, keys, [key.hex() for key in keys])
            connection.execute("SELECT append(%b, %b, %b, %b)", batch)
            done += BATCH_EVENTS
        return meter.stop(done)
