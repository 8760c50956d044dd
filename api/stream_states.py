"""The state of a stream in the words of the contract: what the domain has folded, as JSON types."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

import msgspec

from api import views
from domain.answers import place
from domain.booking import Booking, Person
from domain.calendar import hijri, local_date
from domain.erasure import Erasure
from domain.events import Event
from domain.measurement import Measurement
from domain.office import Office, Service
from domain.policies import Policies
from domain.policy_numbers import rules_of
from domain.slot import Slot
from domain.state import Bare
from domain.waiting_list import Entry, WaitingList
from projections.streams import State


def shown(state: State, now: datetime) -> dict[str, Any]:
    """`now`: the clock by which a claim ends and a booking is active. Before its first fact a state is empty."""
    match state:
        case Slot():
            return _slot(state, now)
        case Booking():
            return _booking(state)
        case Person():
            return _person(state, now)
        case Office():
            return _office(state)
        case Service(registered=registered):
            return _event(registered)
        case WaitingList(entries=entries):
            return {"entries": [_entry(entry) for entry in entries.values()]}
        case Measurement(made=made, corrections=corrections):
            return _event(made) | {"corrections": [_event(each) for each in corrections]}
        case Erasure(person=person, is_done=is_done):
            return {"person": person, "status": "erased" if is_done else "requested"}
        case Policies():
            return {"in_force": state.at(now).version, "versions": [_policy(state, n) for n in _versions(state)]}
        case Bare(version=version):
            return {"stream_version": version}


def _slot(slot: Slot, now: datetime) -> dict[str, Any]:
    starts_at = slot.starts_at
    status = "withdrawn" if slot.withdrawn else "open" if slot.opened else "not-published"
    return {
        "office": slot.office,
        "starts_at": views.office_time(starts_at),
        "hijri": hijri(local_date(starts_at)),
        "status": status,
        "reason": slot.reason,
        "capacity": slot.capacity,
        "taken": slot.taken(now),
        "free": slot.free(now),
        "bookings": sorted(slot.places),
        "claims": [
            {"claim": claim, "until": views.office_time(until), "counts": until > now}
            for claim, until in slot.claims.items()
        ],
    }


def _booking(booking: Booking) -> dict[str, Any]:
    if booking.status is not None:
        stands = booking.office, booking.service, booking.starts_at, booking.minutes
        return place(booking.booking, booking.status, *stands) | {
            "channel": booking.channel,
            "reschedules": booking.reschedules,
            "unplaced": booking.is_unplaced,
            "person": booking.person,
            "section": booking.section,
            "made_under_policy": booking.terms,
            "walk_in": booking.is_walk_in,
            "checked_in_at": _time(booking.checked_in_at),
            "called_at": _time(booking.called_at),
            "outcome_at": _time(booking.outcome_at),
        }
    told: dict[str, Any] = {"booking": booking.booking, "status": None}
    if booking.hold is not None:
        told |= {"person": booking.person, "hold": _event(booking.hold) | {"kept": booking.has_place}}
    if booking.joined is not None:
        offer = _event(booking.offer) if booking.offer is not None else None
        told |= {"person": booking.person, "joined": _event(booking.joined), "offer": offer, "left": booking.left}
    return told


def _person(person: Person, now: datetime) -> dict[str, Any]:
    return {
        "person": person.person,
        "active": person.active(now),
        "open_bookings": {
            booking: {
                "service": open_.service,
                "office": open_.office,
                "starts_at": views.office_time(open_.starts_at),
                "ends_at": views.office_time(open_.ends_at),
                "checked_in": open_.is_checked_in,
                "unplaced": not open_.has_place,
            }
            for booking, open_ in person.open_bookings.items()
        },
        "holds": {booking: _event(hold) for booking, hold in person.holds.items()},
        "waiting": {entry: _event(joined) for entry, joined in person.waiting.items()},
        "no_shows": {
            booking: {"service": service, "starts_at": views.office_time(starts_at)}
            for booking, (service, starts_at) in person.no_shows.items()
        },
        "guardians": {guardian: until.isoformat() for guardian, until in person.guardians.items()},
        "offices": list(person.offices),
    }


def _office(office: Office) -> dict[str, Any]:
    """Its published days by their number: each is told by the availability as of the same place."""
    published = sorted(day for day, told in office.days.items() if told.starts)
    return _event(office.registered) | {
        "live_from": _day(office.live_from),
        "paused": office.is_paused,
        "fair_release": office.releases_fairly,
        "assignments": [_event(each) for each in office.assignments],
        "announcements": [_event(each) | {"type": type(each).TOPIC} for each in office.announcements],
        "daily_pauses": [_event(each) for each in office.daily_pauses],
        "days_open": len(published),
        "days_closed": len(office.days) - len(published),
        "first_day": _day(published[0] if published else None),
        "last_day": _day(published[-1] if published else None),
    }


def _versions(policies: Policies) -> range:
    return range(1, policies.version + 2)


def _policy(policies: Policies, version: int) -> dict[str, Any]:
    policy = policies.of_version(version)
    return {"version": version, "from": _day(policy.since), "rules": rules_of(policy)}


def _entry(entry: Entry) -> dict[str, Any]:
    told: dict[str, Any] = msgspec.to_builtins(entry)
    return _in_office_time(told | {"offer": _event(entry.offer) if entry.offer is not None else None})


def _event(event: Event | None) -> dict[str, Any]:
    """What it says, without who said it: that stands with the fact."""
    if event is None:
        return {}
    told = {name: getattr(event, name) for name in event.__struct_fields__ if name not in {"by", "policy"}}
    return _in_office_time(told)


def _in_office_time(told: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _time(value) if isinstance(value, datetime) else msgspec.to_builtins(value)
        for name, value in told.items()
    }


def _time(instant: datetime | None) -> str | None:
    return views.office_time(instant) if instant is not None else None


def _day(day: date | None) -> str | None:
    return day.isoformat() if day is not None else None
