"""All that the vault holds about one person, opened for a reader; who and why is logged before anything is opened."""

from typing import Any

from psycopg import Connection

from domain.ports import Opening, PersonFile
from infra.vault import Erased, Vault

_NOTES = """
    SELECT kek_id, wrapped_key, note.booking, sealed FROM vault.note JOIN vault.person USING (person)
    WHERE person = %s ORDER BY note.booking
"""
_OPENINGS = "SELECT who, why, at FROM vault.opening WHERE person = %s ORDER BY id"


def open_person_file(vault: Vault, connection: Connection[Any], person: str, who: str, why: str) -> PersonFile | None:
    """None: erased. This opening is the last of those told. `connection`: in autocommit."""
    data = vault.open_person(connection, person, who, why)
    notes = connection.execute(_NOTES, (person,)).fetchall()
    openings = connection.execute(_OPENINGS, (person,)).fetchall()
    if isinstance(data, Erased):
        return None
    told = [(about, vault.open_note(person, kek_id, key, about, sealed)) for kek_id, key, about, sealed in notes]
    return PersonFile(
        number=data.number,
        name=data.name,
        mobile=data.mobile,
        language=data.language,
        notes={about: words for about, words in told if not isinstance(words, Erased)},
        openings=[Opening(*row) for row in openings],
    )
