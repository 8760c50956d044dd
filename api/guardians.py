"""For whom a citizen reads: for themselves, and for the dependants whose guardian they are that day (POL-14)."""

from datetime import datetime
from typing import Final

from api.services import Services
from domain.calendar import local_date
from domain.commands import Caller
from projections import guardianships

VIEW: Final = "guardianships"


def reads_for(citizen: Caller, person: str | None, services: Services, now: datetime) -> bool:
    assert citizen.lookup is not None
    own = services.person_of(citizen.lookup)
    if own is None or person is None:
        return False
    if own == person:
        return True
    with services.pool.connection() as connection:
        return guardianships.is_guardian(connection, own, person, local_date(now))
