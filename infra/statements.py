"""What a turn at the log says to PostgreSQL: each statement is prepared once for a writing connection."""

from typing import Final

from infra.packing import ARRAY_OF, BOOL, BYTEA, INT8, TEXT, TIMESTAMPTZ
from infra.pipeline import Statement
from infra.stored_facts import COLUMNS

BOOLS, BYTEAS, INT8S, TEXTS, TIMESTAMPTZS = (ARRAY_OF[one] for one in (BOOL, BYTEA, INT8, TEXT, TIMESTAMPTZ))

# -- read with the lock -----------------------------------------------------------------------------------------------

BEGIN: Final = Statement(b"begin", b"BEGIN", ())
HEAD: Final = Statement(b"head", b"SELECT position, frontier, vault_kek FROM log_head FOR UPDATE", ())
TAIL: Final = Statement(
    b"tail",
    f"SELECT {COLUMNS} FROM log WHERE position > $1 ORDER BY position LIMIT $2".encode(),
    (INT8, INT8),
)
OUTCOMES: Final = Statement(
    b"outcomes",
    b"""SELECT command_id, fingerprint, first_position, last_position, refused, said,
               refused AND recorded_at <= $2
        FROM command_outcome WHERE command_id = ANY($1)""",
    (BYTEAS, TIMESTAMPTZ),
)
PEOPLE: Final = Statement(b"people", b"SELECT lookup, person FROM vault.person WHERE lookup = ANY($1)", (BYTEAS,))

# -- written with the COMMIT ------------------------------------------------------------------------------------------

APPEND: Final = Statement(
    b"append",
    b"SELECT append_to_log($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
    (INT8, TEXTS, INT8S, TEXTS, TEXTS, TEXTS, BYTEAS, TIMESTAMPTZS, TIMESTAMPTZ, BYTEAS, BYTEAS, BYTEA),
)
FORGET_OUTCOMES: Final = Statement(
    b"forget_outcomes", b"DELETE FROM command_outcome WHERE command_id = ANY($1) AND refused", (BYTEAS,)
)
KEEP_OUTCOMES: Final = Statement(
    b"keep_outcomes",
    b"""INSERT INTO command_outcome
            (recorded_at, command_id, fingerprint, first_position, last_position, refused, said)
        SELECT $1, * FROM unnest($2, $3, $4, $5, $6, $7)""",
    (TIMESTAMPTZ, BYTEAS, BYTEAS, INT8S, INT8S, BOOLS, BYTEAS),
)
SEAL_PEOPLE: Final = Statement(
    b"seal_people",
    b"""INSERT INTO vault.person (person, lookup, kek_id, wrapped_key, number, name, mobile, language)
        SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8)""",
    (TEXTS, BYTEAS, TEXTS, BYTEAS, BYTEAS, BYTEAS, BYTEAS, BYTEAS),
)
SEAL_CONTACT: Final = Statement(
    b"seal_contact",
    b"""UPDATE vault.person SET name = COALESCE($2, name), mobile = COALESCE($3, mobile),
               language = COALESCE($4, language) WHERE person = $1""",
    (TEXT, BYTEA, BYTEA, BYTEA),
)
SEAL_NUMBER: Final = Statement(
    b"seal_number",
    b"UPDATE vault.person SET lookup = $2, number = $3 WHERE person = $1",
    (TEXT, BYTEA, BYTEA),
)
SEAL_NOTE: Final = Statement(
    b"seal_note",
    b"""INSERT INTO vault.note (person, booking, sealed) VALUES ($1, $2, $3)
        ON CONFLICT (person, booking) DO UPDATE SET sealed = excluded.sealed""",
    (TEXT, TEXT, BYTEA),
)
ERASE_NOTES: Final = Statement(b"erase_notes", b"DELETE FROM vault.note WHERE person = $1", (TEXT,))
ERASE_PERSON: Final = Statement(b"erase_person", b"DELETE FROM vault.person WHERE person = $1", (TEXT,))
# A fingerprint is keyed, but a body may have been little more than a number, and there are only so many numbers.
ERASE_FINGERPRINTS: Final = Statement(
    b"erase_fingerprints",
    b"""UPDATE command_outcome SET fingerprint = ''
        WHERE command_id IN (SELECT command_id FROM log WHERE person = $1)""",
    (TEXT,),
)
COMMIT: Final = b"COMMIT"

ALL: Final = (
    BEGIN,
    HEAD,
    TAIL,
    OUTCOMES,
    PEOPLE,
    APPEND,
    FORGET_OUTCOMES,
    KEEP_OUTCOMES,
    SEAL_PEOPLE,
    SEAL_CONTACT,
    SEAL_NUMBER,
    SEAL_NOTE,
    ERASE_NOTES,
    ERASE_PERSON,
    ERASE_FINGERPRINTS,
)
