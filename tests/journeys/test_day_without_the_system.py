"""An office works a day on paper: the list is printed the evening before, and entered when the system is back."""

import json
import re
from typing import Any

import httpx
import pytest

from domain.identifiers import make_number

OFFICE = "CA-TB-01"
EVENING, DAY = "2011-02-04T20:00:00+03:00", "2011-02-05"
NAMES = ["نورة العتيبي", "سارة الحربي", "هند القحطاني"]


def at(time: str) -> str:
    return f"{DAY}T{time}:00+03:00"


class Office:
    def __init__(self, served) -> None:
        self.served = served
        self.operator = served.token("operator")

    def ask(self, method: str, path: str, body=None, *, key: str | None = None, now: str = EVENING, seen: int = 0):
        headers = {"Authorization": f"Bearer {self.operator}", "Mawid-Now": now, "Mawid-At-Least": str(seen)}
        if key is not None:
            headers["Idempotency-Key"] = key
        response = httpx.request(method, f"{self.served.url}/v1/{path}", headers=headers, json=body, timeout=30)
        assert response.status_code in (200, 201), response.text
        return response.json()

    def head(self) -> int:
        """Of the log: where a call is decided that finds nobody waiting."""
        return self.ask("POST", f"offices/{OFFICE}/queue/next", key="head", now=at("13:00"))["position"]

    def enter(self, folder, *lines):
        file = folder / "day.ndjson"
        file.write_text("".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines))
        done = self.served.run("import", str(file))
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()[0]


@pytest.fixture
def office(serve) -> Office:
    office = Office(serve())
    office.ask("POST", f"offices/{OFFICE}/publications", {"from": DAY, "to": DAY}, key="p")
    for n, name in enumerate(NAMES):
        beneficiary = {"number": make_number("citizen", n), "sex": "male", "name": name}
        booked = {"office": OFFICE, "service": "SV-CA-02", "starts_at": f"{DAY}T09:{15 * n:02}", "channel": "portal"}
        office.ask("POST", "bookings", booked | {"beneficiary": beneficiary}, key=f"b{n}")
    return office


def test_what_was_written_on_the_list_is_entered_as_of_that_day(office, tmp_path):
    printed = office.served.run("daylist", OFFICE, DAY).stdout
    first, second, third = re.findall(r"^09:\d\d  ([0-9A-Z-]{16}) ", printed, re.MULTILINE)
    assert all(name in printed for name in NAMES)

    walked_in: dict[str, Any] = {"office": OFFICE, "service": "SV-CA-02"}
    walked_in |= {"beneficiary": {"number": make_number("citizen", 99), "sex": "male"}}
    written = [
        {"command": "check-in", "key": "1", "reference": first, "at": at("08:55")},
        {"command": "walk-in", "key": "2", "at": at("09:05"), **walked_in},
        {"command": "outcome", "key": "3", "reference": first, "outcome": "served", "at": at("09:12")},
        {"command": "outcome", "key": "4", "booking_key": "2", "outcome": "not_completed", "at": at("09:20")},
        {"command": "outcome", "key": "5", "reference": second, "outcome": "no_show", "at": at("09:30")},
    ]
    assert "read 5, accepted 5, refused 0" in office.enter(tmp_path, *written)
    assert "of both replayed 5" in office.enter(tmp_path, *written)

    head = office.head()
    day = office.ask("GET", f"offices/{OFFICE}/queue?date={DAY}", now=at("13:00"), seen=head)
    assert day["bookings"][-1]["booking"] == office.ask("GET", f"bookings/{third}", seen=head)["booking"]
    counts = ("expected", "served", "not_completed", "no_show")
    assert {name: day[name] for name in counts} == {"expected": 1, "served": 1, "not_completed": 1, "no_show": 1}
    assert [each["checked_in_at"] for each in day["bookings"]] == [at("08:55"), at("09:05"), None, None]
    told = office.ask("GET", f"bookings/{first}/history", seen=head)["facts"]
    assert [(fact["type"], fact["at"]) for fact in told[1:]] == [
        ("CheckedIn.v1", at("08:55")),
        ("OutcomeRecorded.v1", at("09:12")),
    ]


def test_who_came_is_corrected_where_the_offices_close_had_recorded_a_no_show(office, tmp_path):
    """The list was entered too late: the system has said by itself that nobody came."""
    printed = office.served.run("daylist", OFFICE, DAY).stdout
    first = re.findall(r"^09:00  ([0-9A-Z-]{16}) ", printed, re.MULTILINE)[0]
    late = {"command": "check-in", "key": "1", "reference": first, "at": at("15:00")}
    corrected = {"command": "correction", "key": "2", "reference": first, "outcome": "served", "at": at("15:05")}

    told = office.enter(tmp_path, late, corrected | {"reason": "entered from the day list"})

    assert "read 2, accepted 1, refused 1" in told
    head = office.head()
    facts = office.ask("GET", f"bookings/{first}/history", seen=head)["facts"]
    assert [(fact["type"], fact["by"], fact.get("outcome")) for fact in facts[1:]] == [
        ("OutcomeRecorded.v1", "system", "no_show"),
        ("OutcomeCorrected.v1", "operator", "served"),
    ]
    assert office.ask("GET", f"bookings/{first}", seen=head)["status"] == "served"
