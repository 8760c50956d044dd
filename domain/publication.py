"""Offices, services, and the slots they open: the decisions that make and change capacity."""

from datetime import datetime, time
from itertools import islice

from domain.calendar import RIYADH
from domain.commands import (
    AnnounceLiveDate,
    AssignCounters,
    PublishDay,
    RegisterOffice,
    RegisterRegion,
    RegisterService,
)
from domain.decision import Decision
from domain.errors import InvalidRequest
from domain.events import (
    CountersAssigned,
    DayPublished,
    LiveDateAnnounced,
    OfficeRegistered,
    RegionRegistered,
    ServiceRegistered,
    SlotOpened,
    SlotWithdrawn,
)
from domain.identifiers import slot_stream
from domain.office import Office
from domain.state import Needs, State

#: Slots one command may change; a longer range is asked for in parts.
SLOTS_MAX = 1_000


# -- what each command reads ------------------------------------------------------------------------------------------


def needs_of_region(command: RegisterRegion, _state: State) -> Needs:
    return Needs(streams={f"region/{command.region}"})


def needs_of_service(command: RegisterService, _state: State) -> Needs:
    return Needs(streams={f"service/{command.service}"})


def needs_of_office(command: RegisterOffice | AnnounceLiveDate, _state: State) -> Needs:
    return Needs(streams={f"office/{command.office}"})


def needs_of_day(command: PublishDay, state: State) -> Needs:
    starts = {*state.calendar.day(command.day).starts, *_published(state, command)}
    slots = {slot_stream(command.office, datetime.combine(command.day, start, RIYADH)) for start in starts}
    return Needs(streams=slots | {f"office/{command.office}"})


def needs_of_counters(command: AssignCounters, state: State) -> Needs:
    office = state.office(command.office)
    starts = _starts_between(office, command) if office is not None else []
    if len(starts) > SLOTS_MAX:
        starts = []  # refused before any is read
    return Needs(streams={slot_stream(command.office, start) for start in starts} | {f"office/{command.office}"})


# -- what each command becomes ----------------------------------------------------------------------------------------


def register_region(command: RegisterRegion, state: State, decision: Decision) -> None:
    stream = state.streams[f"region/{command.region}"]
    if stream.version == 0:
        event = RegionRegistered(
            by=command.caller.by,
            policy=decision.policy.version,
            region=command.region,
            name_ar=command.name_ar,
            name_en=command.name_en,
        )
        decision.record(stream, event)
    decision.said = {"region": command.region}


def register_service(command: RegisterService, state: State, decision: Decision) -> None:
    stream = state.streams[f"service/{command.service}"]
    event = ServiceRegistered(
        by=command.caller.by,
        policy=decision.policy.version,
        service=command.service,
        sector=command.sector,
        name_ar=command.name_ar,
        name_en=command.name_en,
        audience=command.audience,
        minutes=command.minutes,
        electronic=command.electronic,
        needs_visit=command.needs_visit,
        border_number=command.border_number,
        documents=command.documents,
    )
    if stream.version == 0:
        decision.record(stream, event)
    decision.said = {"service": command.service}


def register_office(command: RegisterOffice, state: State, decision: Decision) -> None:
    """Once. The catalogue loaded twice changes nothing; another office under the same id is refused."""
    stream = state.streams[f"office/{command.office}"]
    assert isinstance(stream, Office)
    event = OfficeRegistered(
        by=command.caller.by,
        policy=decision.policy.version,
        office=command.office,
        name_ar=command.name_ar,
        name_en=command.name_en,
        city_ar=command.city_ar,
        city_en=command.city_en,
        region=command.region,
        section=command.section,
        counters=command.counters,
        sectors=command.sectors,
        latitude=command.latitude,
        longitude=command.longitude,
    )
    known = stream.registered
    if known is None:
        decision.record(stream, event)
    elif (known.name_ar, known.region, known.section) != (event.name_ar, event.region, event.section):
        raise InvalidRequest("office", f"{command.office} is another office already")
    decision.said = {"office": command.office}


def announce_live_date(command: AnnounceLiveDate, state: State, decision: Decision) -> None:
    office = _office(state, command.office)
    if office.live_from != command.live_from:
        event = LiveDateAnnounced(
            by=command.caller.by,
            policy=decision.policy.version,
            office=command.office,
            live_from=command.live_from,
        )
        decision.record(office, event)
    decision.said = {"office": command.office, "live_from": command.live_from.isoformat()}


def publish_day(command: PublishDay, state: State, decision: Decision) -> None:
    """Opens what the calendar opens and is not open yet; takes back empty slots the calendar no longer opens."""
    office, by, policy = _office(state, command.office), command.caller.by, decision.policy.version
    day = state.calendar.day(command.day)
    before = _published(state, command)
    published = DayPublished(
        by=by,
        policy=policy,
        office=command.office,
        day=command.day,
        starts=tuple(start.strftime("%H:%M") for start in day.starts),
        reason=day.reason,
        name_ar=day.name_ar,
        name_en=day.name_en,
    )
    if (known := office.days.get(command.day)) is None or (known.starts, known.reason) != (
        published.starts,
        published.reason,
    ):
        decision.record(office, published)
    opened = withdrawn = 0
    for start in sorted({*before, *day.starts}):
        starts_at = datetime.combine(command.day, start, RIYADH)
        slot = state.slot(slot_stream(command.office, starts_at))
        if start in day.starts:
            capacity = office.counters_at(starts_at)
            events = slot.open(capacity, by=by, policy=policy, office=command.office, starts_at=starts_at)
        else:
            events = slot.withdraw(by=by, policy=policy, office=command.office, starts_at=starts_at)
        for event in events:
            decision.record(slot, event)
            opened += event.capacity if isinstance(event, SlotOpened) else 0
            withdrawn += event.capacity if isinstance(event, SlotWithdrawn) else 0
    decision.said = {"units_published": opened, "units_withdrawn": withdrawn, "open": day.open}


def assign_counters(command: AssignCounters, state: State, decision: Decision) -> None:
    """Up or down for a time range; a cut below what is booked is refused whole (it never drops a booking)."""
    office, by, policy = _office(state, command.office), command.caller.by, decision.policy.version
    if command.until <= command.since:
        raise InvalidRequest("to", "is not after `from`")
    starts = _starts_between(office, command)
    if len(starts) > SLOTS_MAX:
        raise InvalidRequest("to", f"the range holds more than {SLOTS_MAX} slots")
    changes = []
    for starts_at in starts:
        slot = state.slot(slot_stream(command.office, starts_at))
        resized = slot.resize(command.counters, by=by, policy=policy, office=command.office, starts_at=starts_at)
        changes += [(slot, event) for event in resized]
    event = CountersAssigned(
        by=by,
        policy=policy,
        office=command.office,
        since=command.since,
        until=command.until,
        counters=command.counters,
    )
    decision.record(office, event)
    for slot, change in changes:
        decision.record(slot, change)
    decision.said = {"office": command.office, "counters": command.counters, "slots": len(changes)}


# -- parts ------------------------------------------------------------------------------------------------------------


def _office(state: State, office: str) -> Office:
    found = state.office(office)
    if found is None:
        raise InvalidRequest("office", f"there is no office {office}")
    return found


def _published(state: State, command: PublishDay) -> tuple[time, ...]:
    office = state.office(command.office)
    known = office.days.get(command.day) if office is not None else None
    return tuple(time.fromisoformat(start) for start in known.starts) if known is not None else ()


def _starts_between(office: Office, command: AssignCounters) -> list[datetime]:
    """The published starts of the office in the command's range, in order; one more than allowed is enough."""
    first, last = command.since.astimezone(RIYADH).date(), command.until.astimezone(RIYADH).date()
    days = sorted(day for day in office.days if first <= day <= last)
    every = (
        datetime.combine(day, time.fromisoformat(start), RIYADH) for day in days for start in office.days[day].starts
    )
    within = (starts_at for starts_at in every if command.since <= starts_at < command.until)
    return list(islice(within, SLOTS_MAX + 1))
