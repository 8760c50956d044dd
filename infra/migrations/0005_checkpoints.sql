-- What was signed of the log. The signer keeps its last checkpoint outside the database too; these are for readers, and
-- a changed row here deceives nobody: notes are checked by their signatures, proofs by a checkpoint's root.

-- The log's name in its checkpoints, for ever: a checkpoint of another log is known by it.
CREATE TABLE log_origin (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    origin   text NOT NULL
);
INSERT INTO log_origin (origin) VALUES ('mawid/' || left(replace(gen_random_uuid()::text, '-', ''), 16));

CREATE TABLE checkpoint (
    size      bigint PRIMARY KEY,              -- events it covers: positions 1 to size
    root      bytea NOT NULL,
    note      text NOT NULL,                   -- C2SP tlog-checkpoint, with its signatures
    signed_at timestamptz NOT NULL             -- the system's clock
);

-- Roots of full subtrees: level 1 of 256 leaves, level 2 of 256 of those, and so on, as C2SP's tlog-tiles cuts a tree.
-- A proof needs a few runs of them, however long the log. Emptied, it is filled again by the next signing.
CREATE TABLE subtree (
    level  smallint NOT NULL,
    number bigint NOT NULL,                    -- covers the leaves number·256^level to (number + 1)·256^level - 1, from 0
    root   bytea NOT NULL,
    PRIMARY KEY (level, number)
);

-- Why nothing is signed any more: the log is not consistent with what was signed before. Empty: nothing is wrong.
CREATE TABLE checkpoint_refusal (
    only_row   boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    said       text NOT NULL,
    refused_at timestamptz NOT NULL            -- the first time
);
