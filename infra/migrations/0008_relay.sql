-- How far the log is on the topic: saved after the broker's acknowledgement, so what follows may be there already.
CREATE TABLE relay_position (
    topic    text PRIMARY KEY,
    position bigint NOT NULL CHECK (position >= 0),   -- of the last fact that is known to be there; 0: none
    problem  text,                                    -- what keeps the relay from going on; NULL: nothing does
    saved_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
INSERT INTO relay_position (topic, position) VALUES ('mawid.facts.v1', 0);
