"""The story as commands, in the order of their time: each day's publication, then bookings and what becomes of them."""

from bisect import bisect_left
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from random import Random

from domain.calendar import RIYADH
from domain.commands import (
    Beneficiary,
    Book,
    Cancel,
    CloseOffice,
    Command,
    PublishDay,
    RecordOutcome,
    Reschedule,
    SettleDay,
)
from domain.opening_hours import Calendar, Holiday
from domain.policy import Policy
from infra import catalogue
from infra.bootstrap import Instance
from infra.simulation.callers import CLOCK, PUBLISHER, Callers
from infra.simulation.demand import DAY_S, Demand, Service
from infra.simulation.people import People
from infra.simulation.places import Place, Places
from infra.simulation.visits import SLOT_S, Agenda, Fate, Visit

#: A clerk has recorded the last visits of a day when the office closes; the rest are no-shows.
BEFORE_CLOSE_S = 60


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
        self._agenda = Agenda()
        self._missed: dict[int, dict[str, None]] = {}  # day → offices where somebody will not come
        self._callers = Callers()
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
        today = day.toordinal()
        starts_in_four_weeks = sum(len(self._places.starts_of(ordinal)) for ordinal in range(today, today + 28))
        starts = self._places.starts_of(today)
        opens_s = int(starts[0].timestamp()) if starts else midnight_s + DAY_S
        closes_s = int(starts[-1].timestamp()) + SLOT_S if starts else midnight_s + DAY_S
        arrivals = [midnight_s + second for second in self._demand.arrivals(day, counters * starts_in_four_weeks / 4)]
        in_time = bisect_left(arrivals, closes_s)
        for at_s in arrivals[:in_time]:
            yield from self._follow_up_to(at_s)
            yield from self._book(at_s, today, is_open=opens_s <= at_s)
        yield from self._follow_up_to(closes_s - 1)
        yield from self._settle(day, closes_s)
        for at_s in arrivals[in_time:]:
            yield from self._follow_up_to(at_s)
            yield from self._book(at_s, today, is_open=False)
        yield from self._follow_up_to(midnight_s + DAY_S - 1)

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
        stamp = instance.stamp(self._callers.over(channel, office, beneficiary), self._key(), at, request)
        return Book(
            **stamp,
            booking=instance.booking_id(stamp["command_id"]),
            office=office,
            service=service.service,
            starts_at=place.starts_at,
            beneficiary=beneficiary,
            channel=channel,
        )

    # -- what becomes of them -----------------------------------------------------------------------------------------

    def _plan(self, visit: Visit, at_s: int) -> None:
        """Most are kept."""
        starts_s = int(visit.starts_at.timestamp())
        lead_s = starts_s - at_s
        after = self._demand.cancelled_after(lead_s) if visit.changes == 0 else None
        if after is not None and (when := min(at_s + after, starts_s - 60)) > at_s:
            self._agenda.expect(when, Fate.CANCELLED, visit)
            return
        to_last_moment = lead_s - int(self._policy.reschedule_lead.total_seconds())
        may_change = after is None and visit.changes < self._policy.reschedules_max and to_last_moment > 0
        if may_change and self._demand.is_changed(visit.changes):
            self._agenda.expect(at_s + int(self._chance.random() * to_last_moment), Fate.CHANGED, visit)
            return
        self._keep(visit, at_s)

    def _keep(self, visit: Visit, at_s: int) -> None:
        lead_days = visit.day.ordinal - datetime.fromtimestamp(at_s, RIYADH).toordinal()
        visit.fate = Fate.MISSED if self._demand.is_missed(lead_days) else Fate.SERVED
        self._await(visit)

    def _await(self, visit: Visit) -> None:
        """They come where the booking stands now, or do not."""
        day = visit.day
        if visit.fate is Fate.MISSED:
            visit.person.miss(visit.booking, visit.service.service, visit.starts_at)
            self._missed.setdefault(day.ordinal, {})[day.office] = None
            return
        closes_s = int(day.starts[-1].timestamp()) + SLOT_S
        self._agenda.expect(min(visit.ends_s, closes_s - BEFORE_CLOSE_S), Fate.SERVED, visit)

    def _settle(self, day: date, closes_s: int) -> Iterator[Command]:
        """Whoever has not come by the close is a no-show."""
        at = datetime.fromtimestamp(closes_s, RIYADH)
        for office in self._missed.pop(day.toordinal(), ()):
            stamp = self._instance.stamp(CLOCK, self._key(), at, f"settle {office} {day}")
            yield SettleDay(**stamp, office=office, day=day)

    def _follow_up_to(self, at_s: int) -> Iterator[Command]:
        for visit in self._agenda.upto(at_s):
            yield from self._follow_up(visit)

    def _follow_up(self, visit: Visit) -> Iterator[Command]:
        at_s, office = visit.due_s, visit.day.office
        at = datetime.fromtimestamp(at_s, RIYADH)
        if visit.fate is Fate.SERVED:
            clerk = self._callers.at(office, "staff")
            stamp = self._instance.stamp(clerk, self._key(), at, f"served {visit.booking}")
            yield RecordOutcome(**stamp, booking=visit.booking, outcome="served")
            return
        caller = self._callers.over(visit.channel, office, visit.beneficiary)
        visit.day.give_back(visit.first, visit.service.slots)
        if visit.fate is Fate.CANCELLED:
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
            self._keep(visit, at_s)
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
            self._keep(visit, at_s)

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
            if place is not None:
                visit.stand(place.day, place.first)
                if visit.fate in (Fate.SERVED, Fate.MISSED):
                    self._await(visit)
            else:  # it stands on a day that nobody sees any more
                visit.fate = None

    def _stand(self, visit: Visit, place: Place) -> None:
        visit.stand(place.day, place.first)
        if place.day.ordinal in self._to_close:
            self._to_close[place.day.ordinal].append(visit)

    # -- parts --------------------------------------------------------------------------------------------------------

    def _key(self) -> str:
        self._number += 1
        return f"{self._prefix}/{self._number}"


def _announced_on(holiday: Holiday) -> date | None:
    """The day after the last working day before it: until then nobody knows."""
    before = holiday.last_workday_before
    return before + timedelta(days=1) if before is not None else None
