-- What each consumer has read of a topic, written in the transaction of the effect: facts by their position in the log, so
-- that one that comes again, on whatever topic, has no second effect; and where in each partition it goes on.
CREATE TABLE consumer_inbox (
    consumer text NOT NULL,
    position bigint NOT NULL,                  -- of the fact in the log
    PRIMARY KEY (consumer, position)
);
CREATE TABLE consumer_place (
    consumer    text NOT NULL,
    topic_id    uuid NOT NULL,                 -- a topic that was deleted and made anew is another one
    partition   integer NOT NULL,
    next_offset bigint NOT NULL CHECK (next_offset >= 0),
    saved_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (consumer, topic_id, partition)
);

-- What a consumer gave up on, once by its source. Nobody says that it was a fact, so its body may hold anything.
CREATE TABLE parked (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    consumer     text NOT NULL,
    topic        text NOT NULL,
    topic_id     uuid NOT NULL,
    partition    integer NOT NULL,
    "offset"     bigint NOT NULL,
    why          text NOT NULL,                -- in a word: not-json, envelope, unknown-type, data, oversized, not-in-log …
    bytes        bigint NOT NULL,              -- of the body
    body         bytea,                        -- NULL: too large, or too many are parked
    parked_at    timestamptz NOT NULL,
    published_at timestamptz,                  -- on mawid.parked.v1
    UNIQUE (consumer, topic_id, partition, "offset")
);
CREATE INDEX parked_unpublished ON parked (id) WHERE published_at IS NULL;
