"""Whether a booking may be made at all, before asking for a place: each rule in the order refusals are given."""

from datetime import date, datetime, timedelta

from domain.bans import refuse_if_banned
from domain.booking import Person
from domain.calendar import RIYADH, local_date
from domain.commands import Beneficiary
from domain.errors import (
    ActiveBookingExists,
    Audience,
    BeyondHorizon,
    InvalidRequest,
    OfficeIsPaused,
    OfficeNotLive,
    Section,
    ServiceNotOffered,
    SlotInThePast,
    TooLateToBook,
    TooManyActiveBookings,
)
from domain.events import OfficeRegistered, ServiceRegistered
from domain.office import Office
from domain.policy import AUDIENCES, SECTION_OF, Policy
from domain.state import State


def office_and_service(state: State, office: str, service: str, at: datetime) -> tuple[Office, ServiceRegistered]:
    """POL-21, and what the office offers."""
    found = state.office(office)
    if found is None or found.registered is None:
        raise InvalidRequest("office", f"there is no office {office}")
    if not found.is_live(at):
        raise OfficeNotLive(office, found.live_from.isoformat() if found.live_from else None)
    if found.is_paused:
        raise OfficeIsPaused(office)
    offered = state.service(service)
    if offered is None or offered.registered is None:
        raise InvalidRequest("service", f"there is no service {service}")
    if not offered.offered_at(found.registered):
        raise ServiceNotOffered(office, service)
    return found, offered.registered


def audience(service: ServiceRegistered, beneficiary: Beneficiary) -> None:
    """POL-15: citizen service needs a number that begins with 1, resident service 2; both takes either."""
    if beneficiary.kind == "border":
        if not service.border_number:
            raise Audience(service.service, service.audience)
    elif beneficiary.kind not in AUDIENCES[service.audience]:
        raise Audience(service.service, service.audience)


def section(office: OfficeRegistered, beneficiary: Beneficiary) -> str | None:
    """POL-13. Returns the beneficiary's section where the office asked for it."""
    if office.section == "mixed":
        return None
    if beneficiary.sex is None:
        raise InvalidRequest("beneficiary.sex", f"{office.office} serves {office.section}: male or female is needed")
    theirs = SECTION_OF[beneficiary.sex]
    section_again(office, theirs)
    return theirs


def section_again(office: OfficeRegistered, theirs: str | None) -> None:
    """POL-13 for a booking that moves: `theirs` is what its first office had asked, if it did."""
    if office.section not in ("mixed", theirs):
        raise Section(office.office, office.section)


def time_of_booking(policy: Policy, starts_at: datetime, at: datetime, channel: str) -> None:
    """POL-03, POL-04."""
    if at > starts_at:
        raise SlotInThePast(wall(starts_at))
    last_moment = starts_at - policy.lead(channel)
    if at > last_moment:
        raise TooLateToBook(wall(starts_at), wall(last_moment))
    if starts_at - at >= timedelta(days=policy.horizon_days):  # fewer hours ahead cannot be too late a date
        horizon(policy, local_date(starts_at), at, asked=wall(starts_at))


def horizon(policy: Policy, day: date, at: datetime, *, asked: str) -> None:
    """POL-03."""
    last_day = local_date(at) + timedelta(days=policy.horizon_days)
    if day > last_day:
        raise BeyondHorizon(asked, last_day.isoformat())


def person(policy: Policy, who: Person, service: str, at: datetime) -> None:
    """POL-09, POL-10, POL-01, POL-02."""
    refuse_if_banned(policy, who, service, at)
    active = who.active(at)
    for booking, booked in active.items():
        if booked == service:
            raise ActiveBookingExists(booking, service)
    if len(active) >= policy.active_per_person_max:
        raise TooManyActiveBookings(len(active), policy.active_per_person_max)


def wall(instant: datetime) -> str:
    return instant.astimezone(RIYADH).isoformat()
