-- The log: one table, append only, in the order of position. Stored rows are never changed, by anyone.

CREATE TABLE log (
    position       bigint PRIMARY KEY,         -- 1, 2, 3 … assigned by the writer under the lock of log_head, without a gap
    stream         text NOT NULL,              -- such as slot/CA-TB-01@2011-02-05T09:00
    stream_version bigint NOT NULL,
    type           text NOT NULL,              -- the event's topic
    person         text,                       -- tags: the same fact is found as the slot's, the person's or the booking's
    booking        text,
    command_id     bytea,
    at             timestamptz NOT NULL,       -- the time it was decided for
    recorded_at    timestamptz NOT NULL,       -- the system's clock
    state          bytea NOT NULL,             -- the event as JSON, byte for byte what the leaf was hashed over
    leaf           bytea NOT NULL,             -- RFC 6962 leaf hash (infra/merkle.py)
    UNIQUE (stream, stream_version)
);
CREATE INDEX log_person ON log (person, position) WHERE person IS NOT NULL;
CREATE INDEX log_booking ON log (booking, position) WHERE booking IS NOT NULL;

-- The one row whose lock is the right to append.
CREATE TABLE log_head (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    position bigint NOT NULL,                  -- of the last event; 0: none
    frontier bytea NOT NULL                    -- right edge of the Merkle tree over all leaves
);
INSERT INTO log_head (position, frontier) VALUES (0, '\x0000000000000000');

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the log is append only: % on % is refused', TG_OP, TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER log_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON log
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER log_head_stays BEFORE DELETE OR TRUNCATE ON log_head
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- What became of each command. Accepted ones are kept for ever (a late retry finds its answer), refusals for a day.
CREATE TABLE command_outcome (
    command_id     bytea PRIMARY KEY,
    fingerprint    bytea NOT NULL,             -- keyed hash of the validated request
    first_position bigint,                     -- its facts: the answer is derived from them; NULL: it left none
    last_position  bigint NOT NULL,            -- its last fact, or the head at which it was decided
    refused        boolean NOT NULL,
    said           bytea,                      -- the answer that no fact tells, as JSON
    recorded_at    timestamptz NOT NULL
);
CREATE INDEX command_outcome_refused ON command_outcome (recorded_at) WHERE refused;

-- Appends a batch after `head`, which the caller has read under the lock it still holds.
CREATE FUNCTION append_to_log(
    head bigint, streams text[], versions bigint[], types text[], persons text[], bookings text[], commands bytea[],
    ats timestamptz[], recorded timestamptz, states bytea[], leaves bytea[], new_frontier bytea
) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
    UPDATE log_head SET position = head + cardinality(streams), frontier = new_frontier WHERE position = head;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the head of the log is not %', head USING ERRCODE = 'serialization_failure';
    END IF;
    INSERT INTO log (position, stream, stream_version, type, person, booking, command_id, at, recorded_at, state, leaf)
    SELECT head + n, s, v, t, p, b, c, a, recorded, st, l
    FROM unnest(streams, versions, types, persons, bookings, commands, ats, states, leaves)
         WITH ORDINALITY AS batch (s, v, t, p, b, c, a, st, l, n);
    PERFORM pg_notify('mawid_log', (head + cardinality(streams))::text);
END $$;
