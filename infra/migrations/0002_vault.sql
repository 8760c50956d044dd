-- Personal data, sealed, and nowhere else. Rows are written with the first fact that names the person.
CREATE SCHEMA vault;
CREATE TABLE vault.person (
    person      text PRIMARY KEY,              -- random id; the only thing facts know
    lookup      bytea NOT NULL UNIQUE,         -- HMAC of the number
    kek_id      text NOT NULL,
    wrapped_key bytea NOT NULL,
    number      bytea NOT NULL,
    name        bytea,
    mobile      bytea,
    language    bytea
);
CREATE TABLE vault.note (
    person      text NOT NULL,
    booking     text NOT NULL,
    sealed      bytea NOT NULL,
    PRIMARY KEY (person, booking)
);
CREATE TABLE vault.opening (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    person      text NOT NULL,
    who         text NOT NULL,
    why         text NOT NULL,
    at          timestamptz NOT NULL DEFAULT now()
);
