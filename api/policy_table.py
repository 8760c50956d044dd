"""Who may call what: one row per method and path. A route without a row stops the start."""

from collections.abc import Callable, Iterable
from enum import Enum
from typing import Final, NamedTuple

from domain.commands import Caller
from domain.policy import BOOKING_CHANNELS

#: Every role a token can have.
ROLES: Final = ("citizen", "kiosk", "staff", "manager", "auditor", "dashboard", "operator")


class Scope(Enum):
    """Which objects of a call a role reaches; what lies outside is answered as the comment says."""

    ANY = "any"  # no object, or any
    BOOKING = "booking"  # own or a dependant's, the own office's or region's; else not-found, as if there were none
    PERSON = "person"  # oneself or a dependant, whoever has or had a booking at the own office or region; else as above
    OFFICE = "office"  # the offices named in the request are the caller's; else forbidden


class Row(NamedTuple):
    roles: frozenset[str] | None  # None: no token is needed, and none is looked at
    scope: Scope


def _row(*roles: str, scope: Scope = Scope.ANY) -> Row:
    return Row(frozenset(roles), scope)


_OPEN = Row(None, Scope.ANY)
_CUSTOMERS = ("citizen", "kiosk", "staff", "manager", "operator")
_DESKS = ("staff", "manager", "operator")
_ON_SITE = ("kiosk", *_DESKS)
_OFFICE_HEADS = _row("manager", "operator", scope=Scope.OFFICE)
_FACTS = _row("auditor", "operator")
_FIGURES = _row("dashboard", "operator")

TABLE: Final[dict[tuple[str, str], Row]] = {
    # bookings
    ("POST", "/v1/bookings"): _row(*_CUSTOMERS, scope=Scope.OFFICE),
    ("POST", "/v1/bookings/group"): _row(*_CUSTOMERS, scope=Scope.OFFICE),
    ("POST", "/v1/bookings/{reference}/reschedule"): _row(*_CUSTOMERS, scope=Scope.BOOKING),
    ("POST", "/v1/bookings/{reference}/cancel"): _row(*_CUSTOMERS, scope=Scope.BOOKING),
    ("POST", "/v1/commands"): _row(*_CUSTOMERS),  # each line is judged by the row of its own command
    ("POST", "/v1/bookings/{reference}/check-in"): _row(*_ON_SITE, scope=Scope.BOOKING),
    ("POST", "/v1/bookings/{reference}/outcome"): _row(*_DESKS, scope=Scope.BOOKING),
    ("POST", "/v1/bookings/{reference}/outcome/correction"): _row(*_DESKS, scope=Scope.BOOKING),
    ("POST", "/v1/walk-ins"): _row(*_ON_SITE, scope=Scope.OFFICE),
    ("GET", "/v1/bookings"): _row("citizen", "staff", "manager", "operator", scope=Scope.BOOKING),
    ("GET", "/v1/bookings/{reference}"): _row(*_CUSTOMERS, "auditor", scope=Scope.BOOKING),
    ("GET", "/v1/bookings/{reference}/history"): _row(
        "citizen", "staff", "manager", "auditor", "operator", scope=Scope.BOOKING
    ),
    ("GET", "/v1/bookings/{reference}/calendar.ics"): _row(*_CUSTOMERS, scope=Scope.BOOKING),
    # holds and waiting lists
    ("POST", "/v1/holds"): _row(*_CUSTOMERS, scope=Scope.OFFICE),
    ("DELETE", "/v1/holds/{hold}"): _row(*_CUSTOMERS, scope=Scope.BOOKING),
    ("POST", "/v1/waiting-list"): _row(*_CUSTOMERS, scope=Scope.OFFICE),
    ("GET", "/v1/waiting-list/{entry}"): _row(*_CUSTOMERS, scope=Scope.BOOKING),
    ("POST", "/v1/waiting-list/{entry}/accept"): _row(*_CUSTOMERS, scope=Scope.BOOKING),
    ("DELETE", "/v1/waiting-list/{entry}"): _row(*_CUSTOMERS, scope=Scope.BOOKING),
    # persons
    ("POST", "/v1/persons/correction"): _row("staff", "manager", "operator", scope=Scope.PERSON),
    ("POST", "/v1/persons/guardianships"): _row("staff", "manager", "operator"),
    ("POST", "/v1/persons/erasure"): _row("operator"),
    ("POST", "/v1/persons/erasure/{request}/approve"): _row("operator"),  # another than the one who asked
    # an operator reads no person's data: the person, their guardian, and the desks that serve them
    ("GET", "/v1/persons/export"): _row("citizen", "staff", "manager", scope=Scope.PERSON),
    # offices
    ("POST", "/v1/offices"): _row("operator"),
    ("POST", "/v1/offices/{office}/live"): _row("operator"),
    ("POST", "/v1/offices/{office}/counters"): _OFFICE_HEADS,
    ("POST", "/v1/offices/{office}/publications"): _OFFICE_HEADS,
    ("POST", "/v1/offices/{office}/pause"): _OFFICE_HEADS,
    ("POST", "/v1/offices/{office}/resume"): _OFFICE_HEADS,
    ("POST", "/v1/offices/{office}/daily-pauses"): _OFFICE_HEADS,
    ("POST", "/v1/closures"): _OFFICE_HEADS,
    ("POST", "/v1/openings"): _OFFICE_HEADS,
    ("POST", "/v1/offices/{office}/fair-release"): _OFFICE_HEADS,
    ("GET", "/v1/offices/{office}/queue"): _row(*_DESKS, scope=Scope.OFFICE),
    ("POST", "/v1/offices/{office}/queue/next"): _row(*_DESKS, scope=Scope.OFFICE),
    # the rules one is served by: for everybody with a token
    ("GET", "/v1/policies"): _row(*ROLES),
    # the catalogue, what is free, and the count: for everybody
    ("GET", "/v1/sectors"): _OPEN,
    ("GET", "/v1/services"): _OPEN,
    ("GET", "/v1/regions"): _OPEN,
    ("GET", "/v1/offices"): _OPEN,
    ("GET", "/v1/availability"): _OPEN,
    ("GET", "/v1/availability/slots"): _OPEN,
    ("GET", "/v1/statistics/running-count"): _OPEN,
    ("GET", "/v1/milestones"): _OPEN,
    # figures and facts
    ("GET", "/v1/statistics/totals"): _FIGURES,
    ("GET", "/v1/statistics/stream"): _FIGURES,
    ("POST", "/v1/measurements"): _FIGURES,
    ("GET", "/v1/measurements"): _FIGURES,
    ("GET", "/v1/measurements/{measurement}"): _FIGURES,
    ("POST", "/v1/measurements/{measurement}/correction"): _FIGURES,
    ("GET", "/v1/audit/events"): _FACTS,
    ("GET", "/v1/audit/checkpoint"): _FACTS,
    ("GET", "/v1/audit/inclusion"): _FACTS,
    ("GET", "/v1/audit/consistency"): _FACTS,
    ("GET", "/v1/audit/streams/{stream}"): _FACTS,
    ("GET", "/v1/feed"): _FACTS,
    ("GET", "/v1/feed/stream"): _FACTS,
    # the instance itself
    ("GET", "/health/live"): _OPEN,
    ("GET", "/health/ready"): _OPEN,
    ("GET", "/metrics"): _OPEN,
    ("GET", "/openapi.json"): _OPEN,
    ("GET", "/docs"): _OPEN,
    ("GET", "/problems/{name}"): _OPEN,
    ("GET", "/"): _OPEN,
    ("GET", "/en/"): _OPEN,
    ("GET", "/en"): _OPEN,
    ("GET", "/static/{name}"): _OPEN,
}

#: Over which channels a role books.
CHANNELS: Final = {
    "citizen": frozenset({"portal", "sms"}),
    "kiosk": frozenset({"kiosk"}),
    "staff": frozenset({"counter"}),
    "manager": frozenset({"counter"}),
    "operator": BOOKING_CHANNELS,
}


class RouteWithoutPolicy(Exception):
    def __init__(self, routes: Iterable[tuple[str, str]]) -> None:
        self.routes = sorted(routes)
        named = ", ".join(f"{method} {path}" for method, path in self.routes)
        super().__init__(f"no row in api/policy_table.py, or no guard: {named}")


def row_of(method: str, path: str) -> Row:
    """Of a route's template, such as /v1/bookings/{reference}."""
    try:
        return TABLE[method, path]
    except KeyError:
        raise RouteWithoutPolicy([(method, path)]) from None


def is_office_of(caller: Caller, office: str, region_of: Callable[[str], str | None]) -> bool:
    """Whether what happens at the office is the caller's to do. Roles that have no place are not bound to one."""
    if caller.office is not None:
        return office == caller.office
    return caller.region is None or region_of(office) == caller.region


def sees_references(caller: Caller) -> bool:
    """Auditors and dashboards read facts; a booking's secret is for those who serve it or hold it."""
    return caller.role in CHANNELS
