"""Who comes: persons with valid synthetic numbers, most of them once, some again."""

from datetime import datetime
from heapq import heappop, heappush
from random import Random

from domain.bans import refuse_if_banned
from domain.booking import Person as Judged
from domain.errors import Banned
from domain.identifiers import NumberKind, make_number
from domain.policy import Policy
from infra.catalogue import LoadModel, OfficeRow
from infra.simulation.demand import DAY_S, Weighted

NUMBERS = 10**8  # make_number's distinct ones
#: Inferred, as everything below: the article counts citizens; residents come for births and deaths.
RESIDENT_SHARE = 0.04
SEX_SHARE_MIXED = 0.5
DAYS_TO_NEXT_VISIT_MEAN = 60.0
#: The block of the documentation's examples; nobody is reached by a simulation, whatever it is connected to.
MOBILES = 1_000
MOBILE_SHARE = 0.95


class Person:
    __slots__ = ("kind", "missed", "mobile", "number", "office", "open_until", "sex", "visits_left")

    def __init__(self, number: str, kind: NumberKind, sex: str, office: str, mobile: str | None) -> None:
        self.number = number
        self.kind = kind
        self.sex = sex
        self.office = office
        self.mobile = mobile
        self.visits_left = 0
        self.open_until: dict[str, datetime] = {}  # service → end of the booking, as POL-01 and POL-02 count it
        self.missed: Judged | None = None  # their no-shows, from the start of the visit on

    def is_refused(self, service: str, policy: Policy, at: datetime) -> bool:
        """POL-01, POL-02, POL-09, POL-10: people do not know, and try."""
        if self.missed is not None and self._is_banned(self.missed, service, policy, at):
            return True
        if not self.open_until:
            return False
        self.open_until = {name: until for name, until in self.open_until.items() if until > at}
        return service in self.open_until or len(self.open_until) >= policy.active_per_person_max

    def miss(self, booking: str, service: str, starts_at: datetime) -> None:
        if self.missed is None:
            self.missed = Judged(None)
        self.missed.no_shows[booking] = service, starts_at

    @staticmethod
    def _is_banned(missed: Judged, service: str, policy: Policy, at: datetime) -> bool:
        try:
            refuse_if_banned(policy, missed, service, at)
        except Banned:
            return True
        return False


class People:
    def __init__(self, model: LoadModel, seed: int, chance: Random) -> None:
        self._chance = chance
        self._visits = Weighted(chance, enumerate(model.bookings_per_person_share, start=1))
        self._offices: Weighted[OfficeRow] | None = None
        self._first = seed * 9_999_991 % NUMBERS  # another story, other people
        self._met = 0
        self._promises = 0
        self._returning: list[tuple[int, int, Person]] = []  # when, a tie-breaker, who

    def live(self, offices: list[OfficeRow]) -> None:
        """Where new persons go from now on: by capacity."""
        self._offices = Weighted(self._chance, [(office, office.counters) for office in offices])

    def next_at(self, at_s: int) -> Person:
        """Somebody who has waited to come again, else somebody new."""
        if self._returning and self._returning[0][0] <= at_s:
            return heappop(self._returning)[2]
        return self._meet()

    def came(self, person: Person, at_s: int) -> None:
        """After a booking: whoever needs more comes again some day."""
        if person.visits_left > 0:
            person.visits_left -= 1
            again = at_s + int(self._chance.expovariate(1 / (DAYS_TO_NEXT_VISIT_MEAN * DAY_S)))
            self._promises += 1
            heappush(self._returning, (again, self._promises, person))

    def _meet(self) -> Person:
        assert self._offices is not None
        random = self._chance.random
        office = self._offices.draw()
        kind: NumberKind = "resident" if random() < RESIDENT_SHARE else "citizen"
        number = make_number(kind, (self._first + self._met) % NUMBERS)
        if office.section == "mixed":
            sex = "male" if random() < SEX_SHARE_MIXED else "female"
        else:
            sex = "male" if office.section == "men" else "female"
        mobile = f"+9665000{self._met % MOBILES:05d}" if random() < MOBILE_SHARE else None
        self._met += 1
        person = Person(number, kind, sex, office.office, mobile)
        person.visits_left = self._visits.draw() - 1
        return person
