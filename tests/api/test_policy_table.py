"""Who may do what: the table against the contract, object by object, and that no route escapes it."""

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute

from api import bulk
from api.app import EVERY_COMMAND, ROUTERS, refuse_unguarded
from api.policy_table import CHANNELS, ROLES, TABLE, RouteWithoutPolicy, row_of
from api.routes import GuardedRoute
from domain.policy import BOOKING_CHANNELS
from tests.api.client import MONDAY, NAMED, booking, new_number, start_after

SERVED = sorted(
    {
        (method, route.path_format)
        for router in ROUTERS
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods
    }
    | {(spec.method, spec.path) for spec in EVERY_COMMAND}
    | {("POST", bulk.PATH)}
)
ANYBODY = {"/v1/sectors", "/v1/services", "/v1/regions", "/v1/offices", "/v1/availability", "/v1/availability/slots"}
ANYBODY |= {"/v1/statistics/running-count", "/v1/milestones", "/health/live", "/health/ready"}


def test_without_a_token_one_reads_what_the_contract_names(api):
    open_rows = {path for (method, path), row in TABLE.items() if row.roles is None and method == "GET"}

    assert open_rows >= ANYBODY
    assert {path for path in open_rows - ANYBODY if path.startswith("/v1/")} == set()
    assert not [method for (method, _), row in TABLE.items() if row.roles is None and method != "GET"]


def test_whoever_has_a_token_reads_the_policies(api):
    office, number = api.given_an_office(days=None), new_number()
    places = {"kiosk": {"office": office}, "staff": {"office": office}, "manager": {"office": office}}

    for role in ROLES:
        token = api.token(role, **places.get(role, {}), number=number if role == "citizen" else None)
        assert api.get("/v1/policies", by=token).status_code == 200
    assert api.get("/v1/policies").status_code == 401


def test_every_route_has_a_row():
    assert set(SERVED) <= set(TABLE)


def test_every_command_asks_for_a_token():
    assert all(spec.row.roles for spec in EVERY_COMMAND)


@pytest.mark.parametrize("route_class", [GuardedRoute, APIRoute])
def test_a_route_without_a_row_or_without_a_guard_stops_the_start(route_class):
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    router = APIRouter(route_class=route_class)
    path = "/v1/secrets" if route_class is GuardedRoute else "/v1/sectors"
    router.add_api_route(path, lambda: None)
    app.router.routes.extend(router.routes)

    with pytest.raises(RouteWithoutPolicy) as stopped:
        refuse_unguarded(app)

    assert stopped.value.routes == [("GET", path)]


def test_the_pages_that_fastapi_adds_by_itself_are_seen_too():
    with pytest.raises(RouteWithoutPolicy) as stopped:
        refuse_unguarded(FastAPI())

    assert ("GET", "/redoc") in stopped.value.routes


def test_a_row_is_found_by_method_and_template():
    assert row_of("POST", "/v1/offices").roles == frozenset({"operator"})
    with pytest.raises(RouteWithoutPolicy):
        row_of("DELETE", "/v1/offices")


# -- roles ------------------------------------------------------------------------------------------------------------


def token_of(api, role, office):
    match role:
        case "citizen":
            return api.citizen(new_number())
        case "kiosk" | "staff" | "manager":
            return api.token(role, office=office)
    return api.token(role)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(("method", "path"), SERVED)
def test_each_role_gets_exactly_as_far_as_its_row_says(api, method, path, role):
    roles = TABLE[method, path].roles
    is_let_in = roles is None or role in roles
    address = path.format_map(NAMED)
    if is_let_in and path.endswith("/stream"):
        return  # it would not end

    response = api.call(method, address, by=token_of(api, role, "CA-TB-01"))

    assert (response.status_code == 403) == (not is_let_in)


@pytest.mark.parametrize(("method", "path"), [route for route in SERVED if TABLE[route].roles])
@pytest.mark.parametrize(
    ("header", "challenge"),
    [
        (None, "Bearer"),
        (b"", "Bearer"),
        (b"Basic YTpi", "Bearer"),
        (b"Bearer", "Bearer"),
        (b"Bearer nonsense", 'Bearer error="invalid_token"'),
        (b"Bearer \xff\xfe", 'Bearer error="invalid_token"'),
        (b"bearer a.b.c", 'Bearer error="invalid_token"'),
    ],
)
def test_without_a_valid_token_one_gets_nowhere(api, method, path, header, challenge):
    address = path.format_map(NAMED)

    response = api.call(method, address, headers={} if header is None else {"Authorization": header})

    assert (response.status_code, response.json()["type"]) == (401, "/problems/unauthenticated")
    assert response.headers["www-authenticate"] == challenge


@pytest.mark.parametrize("role", sorted(CHANNELS))
@pytest.mark.parametrize("channel", sorted(BOOKING_CHANNELS))
def test_a_role_books_over_its_own_channels(api, role, channel):
    office, number = api.given_an_office(), new_number()
    by = api.citizen(number) if role == "citizen" else token_of(api, role, office)

    response = api.book(office, number=number, channel=channel, by=by)

    assert response.status_code == (201 if channel in CHANNELS[role] else 403)


def test_the_travel_gate_takes_no_bookings(api):
    response = api.book(api.given_an_office(), channel="travel_gate")

    assert (response.status_code, response.json()["field"]) == (422, "channel")


def test_a_citizen_books_for_themselves_only(api):
    office, number = api.given_an_office(), new_number()
    by = api.citizen(number)
    for_other = booking(office, number=new_number())
    with_booker = booking(office, number=number) | {"booker": {"number": new_number()}}

    for body in (for_other, with_booker, {"bookings": [for_other]}):
        path = "/v1/bookings/group" if "bookings" in body else "/v1/bookings"
        response = api.post(path, body, by=by)
        assert (response.status_code, response.json()["type"]) == (403, "/problems/forbidden")


def test_a_desk_books_for_a_customer_and_names_who_came(api):
    office = api.given_an_office()
    body = booking(office, channel="counter") | {"booker": {"number": new_number()}}

    assert api.post("/v1/bookings", body, by=api.token("staff", office=office)).status_code == 201


# -- objects ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["kiosk", "staff", "manager"])
def test_a_desk_books_at_its_own_office_only(api, role):
    here, there = api.given_an_office(), api.given_an_office()
    (channel,) = CHANNELS[role]
    by = api.token(role, office=here)

    assert api.book(here, channel=channel, by=by).status_code == 201
    assert api.book(there, channel=channel, by=by).status_code == 403
    group = {"bookings": [booking(office, start=start_after(1), channel=channel) for office in (here, there)]}
    assert api.post("/v1/bookings/group", group, by=by).status_code == 403


@pytest.mark.parametrize(
    ("command", "body"),
    [
        ("publications", {"from": "2011-01-03", "to": "2011-01-03"}),
        ("counters", {"from": "2011-01-03", "to": "2011-01-03", "counters": 2}),
    ],
)
def test_a_manager_leads_an_office_or_a_region(api, command, body):
    here, neighbour, far = api.given_an_office(), api.given_an_office(), api.given_an_office(region="RD")
    seen = {"Mawid-At-Least": str(api.head())}
    api.run(api.calling("GET", f"/v1/bookings?number={new_number()}", by=api.operator, headers=seen))
    of_office, of_region = api.token("manager", office=here), api.token("manager", region="TB")

    answered = {
        (name, office): api.post(f"/v1/offices/{office}/{command}", body, by=by).status_code
        for name, by in (("office", of_office), ("region", of_region))
        for office in (here, neighbour, far)
    }

    assert answered == {
        ("office", here): 200,
        ("office", neighbour): 403,
        ("office", far): 403,
        ("region", here): 200,
        ("region", neighbour): 200,
        ("region", far): 403,
    }


def test_a_desk_moves_a_booking_within_its_own_office_only(api):
    here, there = api.given_an_office(), api.given_an_office()
    booked = api.given_a_booking(here)
    path, by = f"/v1/bookings/{booked['reference']}/reschedule", api.token("staff", office=here)

    assert api.post(path, {"starts_at": MONDAY.isoformat(), "office": there}, by=by).status_code == 403
    assert api.post(path, {"starts_at": start_after(1).isoformat(), "office": here}, by=by).status_code == 200


@pytest.mark.parametrize(
    "by", ["another citizen", "another office's kiosk", "another office's staff", "another region"]
)
@pytest.mark.parametrize("named_by", ["booking", "reference"])
def test_a_foreign_booking_is_answered_as_one_that_does_not_exist(api, by, named_by):
    here, there, number = api.given_an_office(), api.given_an_office(region="RD"), new_number()
    booked = api.given_a_booking(here, number=number)
    stranger = {
        "another citizen": lambda: api.citizen(new_number()),
        "another office's kiosk": lambda: api.token("kiosk", office=there),
        "another office's staff": lambda: api.token("staff", office=there),
        "another region": lambda: api.token("manager", region="RD"),
    }[by]()
    nobody = "0" * 20 if named_by == "booking" else "0000-0000-0000-0"
    seen = {"Mawid-At-Least": str(api.head())}

    commands = [("cancel", {}), ("reschedule", {"starts_at": start_after(1).isoformat()})]
    for command, body in commands:
        foreign, missing = (
            api.post(f"/v1/bookings/{name}/{command}", body, by=stranger) for name in (booked[named_by], nobody)
        )
        assert (foreign.status_code, foreign.content) == (404, missing.content)
        assert set(foreign.headers) == set(missing.headers)
    for read in ("", "/calendar.ics") if "kiosk" in by else ("", "/history", "/calendar.ics"):
        foreign, missing = (
            api.get(f"/v1/bookings/{name}{read}", stranger, headers=seen) for name in (booked[named_by], nobody)
        )
        assert (foreign.status_code, foreign.content) == (404, missing.content)
        assert set(foreign.headers) == set(missing.headers)


@pytest.mark.parametrize(
    "name", ["x", "7M4K-92QX-R3TB-A", "7M4K-92QX-R3TB", "' OR 1=1 --", "\u202e", "a" * 5000, "%00"]
)
def test_what_is_no_reference_is_answered_like_an_unknown_one(api, name):
    unknown = api.post("/v1/bookings/0000-0000-0000-0/cancel", {})

    response = api.post(f"/v1/bookings/{name}/cancel", {})

    assert (response.status_code, response.content) == (404, unknown.content)
    assert api.get(f"/v1/bookings/{name}", api.operator).status_code == 404


def test_the_owner_and_the_desk_and_the_region_see_a_booking(api):
    office, number = api.given_an_office(), new_number()
    booked = api.given_a_booking(office, number=number)
    seen = {"Mawid-At-Least": str(booked["position"])}
    theirs = [
        api.citizen(number),
        api.token("kiosk", office=office),
        api.token("staff", office=office),
        api.token("manager", office=office),
        api.token("manager", region="TB"),
        api.operator,
    ]

    for by in theirs:
        found = api.get(f"/v1/bookings/{booked['booking']}", by, headers=seen)
        assert (found.status_code, found.json()["reference"]) == (200, booked["reference"])


def test_a_refusal_tells_the_reference_to_who_may_read_that_booking(api):
    here, there, number = api.given_an_office(), api.given_an_office(), new_number()
    booked = api.given_a_booking(here, number=number)

    def told(office, by, channel):
        return api.book(office, number=number, start=start_after(1), channel=channel, by=by).json()

    seen = {
        "owner": told(here, api.citizen(number), "portal"),
        "desk": told(here, api.token("staff", office=here), "counter"),
        "other desk": told(there, api.token("staff", office=there), "counter"),
        "operator": told(there, api.operator, "portal"),
    }

    assert {who: problem["type"] for who, problem in seen.items()} == dict.fromkeys(
        seen, "/problems/active-booking-exists"
    )
    assert {problem["booking"] for problem in seen.values()} == {booked["booking"]}
    assert {who: problem.get("reference") for who, problem in seen.items()} == {
        "owner": booked["reference"],
        "desk": booked["reference"],
        "other desk": None,
        "operator": booked["reference"],
    }


def test_a_specs_row_is_the_tables():
    for spec in EVERY_COMMAND:
        assert spec.row is TABLE[spec.method, spec.path]
