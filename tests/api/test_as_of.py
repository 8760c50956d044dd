"""The past over HTTP: what was answered while a history went on is answered again when it is asked for later."""

import random
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from projections import feed
from tests.api.client import ADVANCE, DAYS, MONDAY, Api, booking, new_number, start_after

MINUTE = timedelta(minutes=1)
SERVICES = ("SV-CA-02", "SV-CA-30", "SV-CA-45")
Answer = tuple[int, dict[str, Any]]


def get(
    api: Api,
    path: str,
    *,
    now: datetime | None = None,
    instant: datetime | None = None,
    token: str | None = None,
    **asked: Any,
) -> Answer:
    """`instant`: as of it, for `at` is a parameter as well."""
    headers = {"Mawid-At-Least": str(api.head())} | ({"Mawid-Now": now.isoformat()} if now is not None else {})
    asked |= {"at": instant.isoformat()} if instant is not None else {}
    response = api.get(path, token or api.operator, headers=headers, params=asked)
    told = response.json()
    told.pop("checkpoint", None)  # of when it is read
    return response.status_code, told


def time_of(api: Api, position: int) -> datetime:
    """What the fact there was decided for."""
    with psycopg.connect(api.settings.storage.database_url) as connection:
        at = feed.at_position(connection, position).at
    assert at is not None
    return at


class Past:
    """Two offices, their customers, and a history that chance makes of them."""

    def __init__(self, api: Api, seed: int) -> None:
        self.api = api
        self.chance = random.Random(seed)
        self.offices = [api.given_an_office(counters=2), api.given_an_office(counters=1)]
        self.numbers = [new_number() for _ in range(12)]
        self.bookings: list[str] = []
        self.holds: list[tuple[str, dict[str, Any]]] = []
        self.at = ADVANCE
        self.clerks = {office: api.token("staff", office=office) for office in self.offices}

    def step(self) -> None:
        """One command, which may be refused, some time after the one before it."""
        self.at += self.chance.choice([1, 3, 9, 20]) * MINUTE
        acts = [self.book] * 4 + [self.hold, self.confirm, self.move, self.cancel, self.close, self.open_again]
        self.chance.choice(acts)()

    def on_the_day(self) -> None:
        self.at = max(self.at, MONDAY) + self.chance.choice([0, 2, 7, 15]) * MINUTE
        self.chance.choice(
            [self.check_in, self.check_in, self.call, self.walk_in, self.record, self.correct, self.book]
        )()

    def book(self) -> None:
        self._keep(self.api.post("/v1/bookings", self._wanted(), at=self.at))

    def hold(self) -> None:
        wanted = self._wanted()
        response = self.api.post("/v1/holds", wanted, at=self.at)
        if response.status_code == 201:
            self.holds.append((response.json()["hold"], wanted))

    def confirm(self) -> None:
        if self.holds:
            hold, wanted = self.holds.pop(self.chance.randrange(len(self.holds)))
            if self.chance.random() < 0.3:
                self.api.delete(f"/v1/holds/{hold}", at=self.at)
            else:
                self._keep(self.api.post("/v1/bookings", wanted | {"hold": hold}, at=self.at))

    def move(self) -> None:
        there = {"office": self.chance.choice(self.offices), "starts_at": self._start().isoformat()}
        self._of_a_booking("reschedule", there)

    def cancel(self) -> None:
        self._of_a_booking("cancel", {})

    def close(self) -> None:
        since = start_after(self.chance.randrange(8))
        until = since + self.chance.choice([15, 60]) * MINUTE
        told = {"from": since.isoformat(), "to": until.isoformat(), "reason": "water", "preview": False}
        self.api.post("/v1/closures", {"offices": [self.chance.choice(self.offices)]} | told, at=self.at)

    def open_again(self) -> None:
        office = self.chance.choice(self.offices)
        days = {"from": DAYS[0], "to": DAYS[0]}
        if self.chance.random() < 0.5:
            self.api.post(
                f"/v1/offices/{office}/counters", days | {"counters": self.chance.choice([1, 2, 3])}, at=self.at
            )
        else:
            self.api.post("/v1/openings", {"offices": [office], **days, "hours": [["08:00", "11:00"]]}, at=self.at)

    def check_in(self) -> None:
        self._of_a_booking("check-in", None)

    def call(self) -> None:
        office = self.chance.choice(self.offices)
        self.api.post(f"/v1/offices/{office}/queue/next", by=self.clerks[office], at=self.at)

    def walk_in(self) -> None:
        office = self.chance.choice(self.offices)
        told = {"office": office, "service": "SV-CA-03", "beneficiary": {"number": new_number()}}
        self._keep(self.api.post("/v1/walk-ins", told, by=self.clerks[office], at=self.at))

    def record(self) -> None:
        self._of_a_booking("outcome", {"outcome": self.chance.choice(["served", "not_completed", "no_show"])})

    def correct(self) -> None:
        told = {"outcome": self.chance.choice(["served", "no_show"]), "reason": "the wrong line"}
        self._of_a_booking("outcome/correction", told)

    def asked(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Every reading that takes a place of the log, of this history."""
        for office in self.offices:
            of = {"office": office, "service": self.chance.choice(SERVICES)}
            yield "/v1/availability", of | {"from": DAYS[0], "to": "2011-01-07"}
            yield "/v1/availability/slots", of | {"date": DAYS[0]}
            yield f"/v1/offices/{office}/queue", {"date": DAYS[0]}
            yield "/v1/statistics/totals", {"office": office, "by": "service,channel,hour"}
            yield "/v1/statistics/totals", {"office": office, "by": "made_date"}
        yield "/v1/statistics/totals", {"by": self.chance.choice(["region", "date", ""])}
        yield "/v1/statistics/running-count", {}
        yield "/v1/milestones", {}
        yield "/v1/measurements", {}
        yield "/v1/bookings", {"number": self.chance.choice(self.numbers)}
        if self.bookings:
            named = self.chance.choice(self.bookings)
            yield f"/v1/bookings/{named}", {}
            yield f"/v1/bookings/{named}/history", {}
            yield f"/v1/audit/streams/booking/{named}", {}
        yield f"/v1/audit/streams/slot/{self.offices[0]}@{self._start().isoformat()[:16]}", {}
        yield f"/v1/audit/streams/office/{self.offices[0]}", {}

    # -- parts --------------------------------------------------------------------------------------------------------

    def _start(self) -> datetime:
        return start_after(self.chance.randrange(10))

    def _wanted(self) -> dict[str, Any]:
        return booking(
            self.chance.choice(self.offices),
            start=self._start(),
            service=self.chance.choice(SERVICES),
            number=self.chance.choice(self.numbers),
            channel=self.chance.choice(["portal", "kiosk", "counter"]),
        )

    def _of_a_booking(self, command: str, body: Any) -> None:
        if self.bookings:
            self.api.post(f"/v1/bookings/{self.chance.choice(self.bookings)}/{command}", body, at=self.at)

    def _keep(self, response: Any) -> None:
        if response.status_code == 201:
            self.bookings.append(response.json()["booking"])


@pytest.mark.parametrize("seed", [1, 2])
def test_what_was_answered_while_a_history_went_on_is_answered_again_of_each_position(api, seed):
    past = Past(api, seed)
    told: dict[tuple[int, str, tuple[Any, ...]], Answer] = {}
    for step in [past.step] * 40 + [past.on_the_day] * 25:
        before = api.head()
        step()
        head = api.head()
        if head > before:
            at = time_of(api, head)
            for path, asked in past.asked():
                told[head, path, tuple(asked.items())] = get(api, path, now=at, **asked)

    again = {
        (position, path, asked): get(api, path, at_position=position, **dict(asked)) for position, path, asked in told
    }

    assert again == told
    assert {status for status, _ in told.values()} == {200}
    kinds = {path.split("/")[2] for _, path, _ in told}
    assert kinds == {"availability", "offices", "statistics", "milestones", "measurements", "bookings", "audit"}
    assert len({position for position, _, _ in told}) > 30


def test_every_reading_that_takes_a_place_of_the_log_is_among_those(api):
    office, measured = api.given_an_office(), "/v1/measurements/{measurement}"
    past = Past(api, 3)
    past.bookings.append("0" * 20)
    described = api.get("/openapi.json").json()["paths"]
    takes = {
        path
        for path, operations in described.items()
        if {"at", "at_position"} <= {each["name"] for each in operations.get("get", {}).get("parameters", [])}
    }

    asked = {template for path, _ in past.asked() for template in takes if matches(template, path)}

    assert office
    assert takes - asked == {measured}  # whose past has tests of its own


def matches(template: str, path: str) -> bool:
    pattern = re.sub(r"\{(\w+)\}", lambda name: ".+" if name[1] == "stream" else "[^/]+", template)
    return re.fullmatch(pattern, path) is not None


def test_who_lost_their_place_and_found_no_other_is_not_in_the_queue_of_then(api):
    office = api.given_an_office(days=(DAYS[0], DAYS[0]))
    booked = api.given_a_booking(office)
    before = api.head()
    closure: dict[str, Any] = {"offices": [office], "from": DAYS[0], "to": DAYS[0], "reason": "water", "preview": False}
    closed = api.post("/v1/closures", closure).json()
    assert closed["unplaced"] == [booked["booking"]]
    path = f"/v1/offices/{office}/queue"
    now = get(api, path, now=ADVANCE, date=DAYS[0])
    api.given_an_office(days=None)

    then = get(api, path, at_position=closed["position"], date=DAYS[0])
    earlier = get(api, path, at_position=before, date=DAYS[0])

    assert then == now
    assert (then[1]["bookings"], earlier[1]["expected"]) == ([], 1)
    unplaced = get(api, f"/v1/bookings/{booked['booking']}", at_position=closed["position"])[1]
    assert (unplaced["status"], unplaced["unplaced"]) == ("confirmed", True)


def test_an_instant_stands_for_the_last_position_decided_for_it_or_before_and_is_the_clock(api):
    office = api.given_an_office()
    asked = {"office": office, "service": "SV-CA-02", "date": DAYS[0]}
    held = api.post("/v1/holds", booking(office, number=new_number()), at=ADVANCE + MINUTE).json()
    other = api.given_a_booking(office, start=start_after(1), at=ADVANCE + 30 * MINUTE)

    def free(minutes: int) -> tuple[list[int], int]:
        status, told = get(api, "/v1/availability/slots", instant=ADVANCE + minutes * MINUTE, **asked)
        assert status == 200
        return [start["free"] for start in told["slots"][:2]], told["as_of"]["position"]

    assert free(1) == ([0, 1], held["position"])
    assert free(10) == ([0, 1], held["position"])
    assert free(11) == ([1, 1], held["position"])  # no fact has said so, and the hold was over
    assert free(30) == ([1, 0], other["position"])


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"at": "2011-01-01T09:00:00+03:00", "at_position": 1}, "at"),
        ({"at_position": 2**40}, "at_position"),
        ({"at_position": 2**63}, "at_position"),
        ({"at_position": -1}, "at_position"),
        ({"at_position": "x"}, "at_position"),
        ({"at": "yesterday"}, "at"),
        ({"at": "2011-01-01"}, "at"),
    ],
)
def test_what_is_no_place_of_the_log_is_refused_with_its_field(api, asked, field):
    for path, rest in Past(api, 4).asked():
        status, problem = get(api, path, **rest | asked)

        assert (path, status, problem["type"], problem["field"]) == (path, 422, "/problems/invalid-request", field)


def test_before_the_first_fact_everything_is_empty(api):
    office, number = api.given_an_office(), new_number()
    booked = api.given_a_booking(office, number=number)
    of = {"office": office, "service": "SV-CA-02"}
    nothing = {"position": 0, "at": None}

    def first(path: str, **asked: Any) -> dict[str, Any]:
        long_ago = get(api, path, **asked, instant=datetime(2001, 1, 1, tzinfo=UTC))
        status, answer = get(api, path, **asked, at_position=0)
        assert long_ago == (status, answer)
        assert (status, answer.pop("as_of")) == (200, nothing)
        return answer

    (day,) = first("/v1/availability", **of, **{"from": DAYS[0]})["days"]
    assert (day["open"], day["reason"], day["capacity"], day["free"]) == (False, "not-published", 0, 0)
    assert first("/v1/availability/slots", **of, date=DAYS[0]) == {"slots": []}
    assert first("/v1/bookings", number=number) == {"bookings": []}
    assert first(f"/v1/offices/{office}/queue", date=DAYS[0])["bookings"] == []
    assert first("/v1/statistics/totals", by="office") == {"rows": []}
    assert first("/v1/statistics/totals")["rows"][0]["made"] == 0
    assert first("/v1/statistics/running-count") == {"count": 0}
    assert first("/v1/milestones") == {"milestones": [], "next": 1}
    assert first(f"/v1/audit/streams/office/{office}")["facts"] == []
    assert get(api, f"/v1/bookings/{booked['booking']}", at_position=0)[0] == 404
    assert get(api, f"/v1/bookings/{booked['booking']}/history", at_position=0)[0] == 404


def test_who_may_read_a_booking_of_the_past_is_who_may_read_it_now(api):
    here, there, number = api.given_an_office(), api.given_an_office(), new_number()
    booked = api.given_a_booking(here, number=number)
    moved = {"starts_at": start_after(4).isoformat(), "office": there}
    assert api.post(f"/v1/bookings/{booked['booking']}/reschedule", moved).status_code == 200
    of_here, of_there = api.token("staff", office=here), api.token("staff", office=there)
    then = {"at_position": booked["position"]}

    for path in (f"/v1/bookings/{booked['booking']}", f"/v1/bookings/{booked['booking']}/history"):
        assert get(api, path, token=of_here, **then)[0] == 404
        assert get(api, path, token=api.citizen(new_number()), **then)[0] == 404
        for token in (of_there, api.citizen(number)):
            status, told = get(api, path, token=token, **then)
            assert (status, told["as_of"]["position"]) == (200, booked["position"])
    assert get(api, "/v1/bookings", token=of_here, number=number, **then)[1]["bookings"] == []
    (listed,) = get(api, "/v1/bookings", token=of_there, number=number, **then)[1]["bookings"]
    assert (listed["office"], listed["reference"]) == (here, booked["reference"])


def test_figures_for_the_dashboard_stay_rough_in_the_past(api):
    office = api.given_an_office()
    made = api.given_a_booking(office)

    asked: dict[str, Any] = {"office": office, "at_position": made["position"]}
    told = get(api, "/v1/statistics/totals", token=api.token("dashboard"), **asked)[1]

    assert told["rows"][0]["made"] == "<10"


def test_a_position_just_answered_is_in_every_reading_without_asking_for_it(api):
    office = api.given_an_office(counters=3)

    for _ in range(20):
        made = api.given_a_booking(office, start=start_after(1))
        told = api.get("/v1/statistics/running-count", params={"at_position": made["position"]}).json()
        assert told["as_of"]["position"] == made["position"]
        api.post(f"/v1/bookings/{made['booking']}/cancel", {})
