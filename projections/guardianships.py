"""Who may act for whom, and until when: by guardian, and by dependant (POL-14)."""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from psycopg import Connection, Cursor
from psycopg.rows import TupleRow, class_row

from domain.events import GuardianAppointed, PersonErased
from projections.arrays import columns, dates, texts
from projections.log import Page


class Guardianship(NamedTuple):
    guardian: str  # person id
    dependant: str  # person id
    until: date  # the last day


class Guardianships:
    name = "guardianships"
    version = 2
    ddl = """
        CREATE TABLE guardianship (
            guardian  text NOT NULL,
            dependant text NOT NULL,
            until     date NOT NULL,  -- the last day
            PRIMARY KEY (guardian, dependant)
        );
    """
    indexes = "CREATE INDEX guardianship_dependant ON guardianship (dependant);"

    def fold(self, facts: Page, cursor: Cursor[TupleRow]) -> None:
        appointed = {
            (fact.event.guardian, fact.person): fact.event.until  # the last one counts
            for _, fact in facts
            if isinstance(fact.event, GuardianAppointed)
        }
        if appointed:
            rows = [(*pair, until) for pair, until in appointed.items()]
            cursor.execute(
                """INSERT INTO guardianship (guardian, dependant, until)
                   SELECT * FROM unnest(%b::text[], %b::text[], %b::date[])
                   ON CONFLICT (guardian, dependant) DO UPDATE SET until = excluded.until""",
                columns(rows, texts, texts, dates),
            )
        erased = [fact.person for _, fact in facts if isinstance(fact.event, PersonErased)]
        if erased:  # after the page's appointments: none of them can be later than the erasure
            cursor.execute("DELETE FROM guardianship WHERE guardian = ANY(%b) OR dependant = ANY(%b)", [erased, erased])


# -- queries ----------------------------------------------------------------------------------------------------------


def is_guardian(connection: Connection[TupleRow], guardian: str, dependant: str, day: date) -> bool:
    query = """
        SELECT FROM view_guardianships.guardianship WHERE guardian = %s AND dependant = %s AND until >= %s
    """
    return connection.execute(query, (guardian, dependant, day)).rowcount > 0


def of_person(connection: Connection[TupleRow], person: str) -> Sequence[Guardianship]:
    """As guardian or as dependant, those that have ended too."""
    query = """
        SELECT guardian, dependant, until FROM view_guardianships.guardianship
        WHERE %(person)s IN (guardian, dependant) ORDER BY until, guardian, dependant
    """
    with connection.cursor(row_factory=class_row(Guardianship)) as cursor:
        return cursor.execute(query, {"person": person}).fetchall()
