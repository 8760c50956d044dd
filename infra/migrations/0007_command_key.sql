-- Which command key names the commands of this log. With another one no retry would be recognised, and nothing else
-- would tell: a process with another key does not start.
CREATE TABLE key_of_log (
    name   text PRIMARY KEY,
    key_id text NOT NULL
);
