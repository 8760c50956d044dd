"""The story as commands, in the order of their time: each day's publication, then bookings, changes, cancellations."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from heapq import heappop, heappush
from random import Random

from domain.calendar import RIYADH
from domain.commands import Beneficiary, Book, Caller, Cancel, CloseOffice, Command, PublishDay, Reschedule
from domain.opening_hours import Calendar, Holiday
from domain.policy import Policy
from infra import catalogue
from infra.bootstrap import Instance
from infra.simulation.demand import DAY_S, Demand, Service
from infra.simulation.people import People
from infra.simulation.places import Place, Places
from infra.simulation.visits import SLOT_S, Visit

#: Of the idempotency keys; the callers of a story differ in their role and place, not in their name.
SUBJECT = "simulation"
PUBLISHER = Caller(role="operator", subject=SUBJECT)


class Story:
    """The same commands for the same keys of the instance, seed and launch, whatever the desk answers; without end."""

    def __init__(self, instance: Instance, since: date, seed: int, chance: Random) -> None:
        self._instance = instance
        self._since = since
        self._chance = chance
        self._prefix = f"simulate/{since}/{seed}"
        self._number = 0
        self._policy = Policy()
        model = catalogue.load_model()
        self._calendar = Calendar(catalogue.holidays())
        self._places = Places(self._calendar, catalogue.offices(), self._policy.horizon_days, chance)
        self._people = People(model, seed, chance)
        self._demand = Demand(model, self._policy, catalogue.services(), chance)
        self._agenda: list[tuple[int, int, bool, Visit]] = []  # when, a tie-breaker, whether cancelled (else changed)
        self._on_site: dict[tuple[str, str], Caller] = {}
        #: Day → the visits that may stand on it, of those that will be closed by announcement.
        self._to_close: dict[int, list[Visit]] = {
            day.toordinal(): [] for holiday in self._calendar.announcements for day in holiday.days()
        }
        self.day = since  # that is being told

    def commands(self) -> Iterator[Command]:
        day = self._since
        while True:
            self.day = day
            midnight = datetime.combine(day, datetime.min.time(), RIYADH)
            for office, published in self._places.publish(day):
                stamp = self._instance.stamp(PUBLISHER, self._key(), midnight, f"publish {office} {published}")
                yield PublishDay(**stamp, office=office, day=published)
            for holiday in self._calendar.announcements:
                if _announced_on(holiday) == day:
                    yield from self._close(holiday, midnight)
            live = [office for office in catalogue.offices() if office.live_from <= day]
            if live:
                self._people.live(live)
                counters = sum(office.counters for office in live)
                yield from self._tell(day, int(midnight.timestamp()), counters)
            day += timedelta(days=1)

    def _tell(self, day: date, midnight_s: int, counters: int) -> Iterator[Command]:
        today, agenda = day.toordinal(), self._agenda
        starts_in_four_weeks = sum(len(self._places.starts_of(ordinal)) for ordinal in range(today, today + 28))
        starts = self._places.starts_of(today)
        opens_s = int(starts[0].timestamp()) if starts else midnight_s + DAY_S
        closes_s = int(starts[-1].timestamp()) + SLOT_S if starts else midnight_s + DAY_S
        for second in self._demand.arrivals(day, counters * starts_in_four_weeks / 4):
            at_s = midnight_s + second
            while agenda and agenda[0][0] <= at_s:
                yield from self._follow_up(*heappop(agenda))
            yield from self._book(at_s, today, is_open=opens_s <= at_s < closes_s)
        while agenda and agenda[0][0] < midnight_s + DAY_S:
            yield from self._follow_up(*heappop(agenda))

    # -- bookings -----------------------------------------------------------------------------------------------------

    def _book(self, at_s: int, today: int, *, is_open: bool) -> Iterator[Command]:
        demand = self._demand
        person = self._people.next_at(at_s)
        channel = demand.channel(is_open=is_open)
        service = demand.service(person.kind, channel)
        lead = demand.lead_days()
        at = datetime.fromtimestamp(at_s, RIYADH)
        not_before = at + self._policy.lead(channel)
        place = self._places.find(person.office, today, lead, service.slots, not_before)
        if place is None:
            return  # nothing free for a month: they see it, and do not try
        beneficiary = Beneficiary(
            number=person.number,
            kind=person.kind,
            lookup=self._instance.keys.number_lookup(person.number),
            sex=person.sex,
            mobile=person.mobile,
        )
        book = self._try(at, channel, service, place, beneficiary)
        yield book
        if person.is_refused(service.service, self._policy, at):
            return
        if not place.is_free:
            place = self._places.find(person.office, today, lead, service.slots, not_before)
            if place is None or not place.is_free:
                return
            book = self._try(at, channel, service, place, beneficiary)
            yield book
        visit = Visit(book.booking, self._number, channel, service, person, beneficiary)
        self._stand(visit, place)
        self._people.came(person, at_s)
        self._plan(visit, at_s)

    def _try(self, at: datetime, channel: str, service: Service, place: Place, beneficiary: Beneficiary) -> Book:
        instance, day = self._instance, place.day
        office = day.office
        request = f"book {office} {day.ordinal} {place.first} {service.service} {channel} {beneficiary.number}"
        stamp = instance.stamp(self._caller(channel, office, beneficiary), self._key(), at, request)
        return Book(
            **stamp,
            booking=instance.booking_id(stamp["command_id"]),
            office=office,
            service=service.service,
            starts_at=place.starts_at,
            beneficiary=beneficiary,
            channel=channel,
        )

    def _plan(self, visit: Visit, at_s: int) -> None:
        """What will become of the booking, and when. Most are kept."""
        starts_s = int(visit.starts_at.timestamp())
        lead_s = starts_s - at_s
        after = self._demand.cancelled_after(lead_s) if visit.changes == 0 else None
        if after is not None:
            when = min(at_s + after, starts_s - 60)
            if when > at_s:
                heappush(self._agenda, (when, self._number, True, visit))
            return
        to_last_moment = lead_s - int(self._policy.reschedule_lead.total_seconds())
        may_change = visit.changes < self._policy.reschedules_max and to_last_moment > 0
        if may_change and self._demand.is_changed(visit.changes):
            when = at_s + int(self._chance.random() * to_last_moment)
            heappush(self._agenda, (when, self._number, False, visit))

    # -- what becomes of them -----------------------------------------------------------------------------------------

    def _follow_up(self, at_s: int, _: int, is_cancelled: bool, visit: Visit) -> Iterator[Command]:
        at = datetime.fromtimestamp(at_s, RIYADH)
        caller = self._caller(visit.channel, visit.day.office, visit.beneficiary)
        visit.day.give_back(visit.first, visit.service.slots)
        if is_cancelled:
            visit.is_cancelled = True
            del visit.person.open_until[visit.service.service]
            stamp = self._instance.stamp(caller, self._key(), at, f"cancel {visit.booking}")
            yield Cancel(**stamp, booking=visit.booking)
            return
        today, not_before = at.date().toordinal(), at + self._policy.lead(visit.channel)
        lead = self._demand.lead_days()
        place = self._places.find(visit.day.office, today, lead, visit.service.slots, not_before)
        if place is None or place.starts_at == visit.starts_at:
            visit.stand(visit.day, visit.first)
            return
        request = f"reschedule {visit.booking} {place.starts_at}"
        stamp = self._instance.stamp(caller, self._key(), at, request)
        yield Reschedule(**stamp, booking=visit.booking, starts_at=place.starts_at)
        if place.is_free:
            visit.changes += 1
            self._stand(visit, place)
            self._plan(visit, at_s)
        else:
            visit.stand(visit.day, visit.first)

    # -- closures -----------------------------------------------------------------------------------------------------

    def _close(self, holiday: Holiday, midnight: datetime) -> Iterator[Command]:
        """Announced to every office of the catalogue, as the order came: also to those that are not live yet.

        Nobody waits for the desk's answer: the visits are moved here by the rule that the desk goes by.
        """
        since = datetime.combine(holiday.start, datetime.min.time(), RIYADH)
        until = since + timedelta(days=(holiday.end - holiday.start).days + 1)
        for office in catalogue.offices():
            stamp = self._instance.stamp(PUBLISHER, self._key(), midnight, f"close {office.office} {since} {until}")
            yield CloseOffice(**stamp, office=office.office, since=since, until=until, reason=holiday.name_ar)
        ordinals = [day.toordinal() for day in holiday.days()]
        displaced = [visit for ordinal in ordinals for visit in self._to_close[ordinal] if visit.stands_on(ordinal)]
        for ordinal in ordinals:
            self._places.close(ordinal)
        for visit in sorted(dict.fromkeys(displaced), key=lambda visit: (visit.starts_at, visit.order)):
            place = self._places.earliest(visit.day.office, midnight.date().toordinal(), visit.service.slots)
            if place is not None:  # else it stands on a day that nobody sees any more
                visit.stand(place.day, place.first)

    def _stand(self, visit: Visit, place: Place) -> None:
        visit.stand(place.day, place.first)
        if place.day.ordinal in self._to_close:
            self._to_close[place.day.ordinal].append(visit)

    # -- parts --------------------------------------------------------------------------------------------------------

    def _key(self) -> str:
        self._number += 1
        return f"{self._prefix}/{self._number}"

    def _caller(self, channel: str, office: str, beneficiary: Beneficiary) -> Caller:
        if channel in ("portal", "sms"):
            return Caller(role="citizen", subject=SUBJECT, lookup=beneficiary.lookup)
        role = "staff" if channel == "counter" else "kiosk"
        caller = self._on_site.get((role, office))
        if caller is None:
            caller = self._on_site[role, office] = Caller(role=role, subject=SUBJECT, office=office)
        return caller


def _announced_on(holiday: Holiday) -> date | None:
    """The day after the last working day before it: until then nobody knows."""
    before = holiday.last_workday_before
    return before + timedelta(days=1) if before is not None else None
