"""Offices, services, and the slots they open: the decisions that make and change capacity."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple

from domain.calendar import RIYADH
from domain.commands import (
    AnnounceLiveDate,
    PublishDay,
    RegisterOffice,
    RegisterRegion,
    RegisterService,
)
from domain.decision import Decision
from domain.errors import InvalidRequest
from domain.events import (
    DayPublished,
    LiveDateAnnounced,
    OfficeRegistered,
    OpeningAnnounced,
    RegionRegistered,
    ServiceRegistered,
    SlotOpened,
    SlotWithdrawn,
)
from domain.identifiers import slot_stream
from domain.office import Office
from domain.state import Needs, State
from domain.timetable import day_of, possible_starts

# -- what each command reads ------------------------------------------------------------------------------------------


def needs_of_region(command: RegisterRegion, _state: State) -> Needs:
    return Needs(streams={f"region/{command.region}"})


def needs_of_service(command: RegisterService, _state: State) -> Needs:
    return Needs(streams={f"service/{command.service}"})


def needs_of_office(command: RegisterOffice | AnnounceLiveDate, _state: State) -> Needs:
    return Needs(streams={f"office/{command.office}"})


def needs_of_day(command: PublishDay, state: State) -> Needs:
    return Needs(streams=slots_of_day(state, command.office, command.day) | {f"office/{command.office}"})


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
    office = known_office(state, command.office)
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
    office = known_office(state, command.office)
    done = publish(decision, office, command.day)
    is_open = bool(office.days[command.day].starts)
    decision.said = {"units_published": done.units_opened, "units_withdrawn": done.units_withdrawn, "open": is_open}


class Published(NamedTuple):
    units_opened: int
    units_withdrawn: int
    starts: list[datetime]  # that were opened


def publish(decision: Decision, office: Office, day: date) -> Published:
    """Opens what the day's timetable opens and is not open yet; takes back empty slots that it no longer opens."""
    assert office.registered is not None
    name, state = office.registered.office, decision.state
    by, policy = decision.command.caller.by, decision.policy.version
    before, told = list(office.starts_ever(day, day)), day_of(office, state.calendar, day)
    starts = [datetime.combine(day, start, RIYADH) for start in told.starts]
    published = DayPublished(
        by=by,
        policy=policy,
        office=name,
        day=day,
        starts=tuple(start.strftime("%H:%M") for start in told.starts),
        reason=told.reason,
        name_ar=told.name_ar,
        name_en=told.name_en,
    )
    if (known := office.days.get(day)) is None or _shown(known) != _shown(published):
        decision.record(office, published)
    units_opened = units_withdrawn = 0
    opened = []
    for starts_at in sorted({*before, *starts}):
        slot = state.slot(slot_stream(name, starts_at))
        if starts_at in starts:
            capacity = office.counters_at(starts_at)
            events = slot.open(capacity, by=by, policy=policy, office=name, starts_at=starts_at)
        else:
            events = slot.withdraw(by=by, policy=policy, office=name, starts_at=starts_at)
        for event in events:
            decision.record(slot, event)
            if isinstance(event, SlotOpened):
                opened.append(starts_at)
                units_opened += event.capacity
            elif isinstance(event, SlotWithdrawn):
                units_withdrawn += event.capacity
    return Published(units_opened, units_withdrawn, opened)


# -- parts ------------------------------------------------------------------------------------------------------------


def known_office(state: State, office: str) -> Office:
    found = state.office(office)
    if found is None:
        raise InvalidRequest("office", f"there is no office {office}")
    return found


def refuse_unknown_offices(state: State, offices: Sequence[str]) -> None:
    """Of an announcement to several: all of them hear it, or none."""
    for office in offices:
        if state.office(office) is None:
            raise InvalidRequest("offices", f"there is no office {office}")


def slots_of_day(state: State, office: str, day: date, more: Sequence[OpeningAnnounced] = ()) -> set[str]:
    known = state.office(office) or Office(f"office/{office}")
    return {slot_stream(office, start) for start in possible_starts(known, state.calendar, day, more)}


def _shown(day: DayPublished) -> tuple[object, ...]:
    return day.starts, day.reason, day.name_ar, day.name_en
