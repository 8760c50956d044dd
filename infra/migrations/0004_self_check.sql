-- What each self-check has found: the log against its leaves, and every view against the log.
CREATE TABLE self_check (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    part       text NOT NULL,                  -- log, or the name of a view
    position   bigint NOT NULL,                -- up to which it was checked
    problem    text,                           -- NULL: nothing was found; no personal data
    checked_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX self_check_part ON self_check (part, id);
