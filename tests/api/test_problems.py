import re

import pytest

from api import problems
from api.problems import TYPES
from domain import errors
from domain.errors import Refusal
from tests.api.scripted import App

#: contract.md, section 3
CONTRACT = {
    409: """slot-full slot-not-published slot-closed slot-in-the-past too-late-to-book beyond-horizon office-not-live
            service-not-offered audience section active-booking-exists too-many-active-bookings banned reschedule-limit
            too-late-to-reschedule too-late-to-cancel already-cancelled already-checked-in no-show-too-early
            hold-expired not-displaceable""",
    422: "invalid-number invalid-mobile invalid-request idempotency-key-reused",
    400: "idempotency-key-missing",
    404: "not-found",
    401: "unauthenticated",
    403: "forbidden",
    503: "overloaded outcome-unknown",
    429: "too-many-requests",
}
NAMES = [(name, status) for status, names in CONTRACT.items() for name in names.split()]


@pytest.mark.parametrize(("name", "status"), NAMES)
def test_every_name_of_the_contract_has_its_status_and_a_page_in_both_languages(name, status):
    page = App().call("GET", f"/problems/{name}")

    assert TYPES[name].status == status
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert '<html lang="ar" dir="rtl">' in page.text
    assert TYPES[name].title_ar in page.text
    assert TYPES[name].title_en in page.text.replace("&#39;", "'")
    assert page.text.index(TYPES[name].title_ar) < page.text.index('lang="en" dir="ltr"')


@pytest.mark.parametrize("kind", TYPES.values(), ids=TYPES)
def test_a_page_speaks_arabic_in_arabic(kind):
    for text in (kind.title_ar, kind.text_ar):
        assert re.search("[\u0600-\u06ff]", text)
    for text in (kind.title_en, kind.text_en):
        assert not re.search("[\u0600-\u06ff]", text)


def test_a_name_that_is_none_has_no_page():
    response = App().call("GET", "/problems/<script>")

    assert (response.status_code, response.json()["type"]) == (404, "/problems/not-found")


def test_every_refusal_of_the_domain_has_a_type():
    refusals = {kind.name for kind in vars(errors).values() if isinstance(kind, type) and hasattr(kind, "name")}

    assert {name for name in refusals if isinstance(name, str)} <= set(TYPES)


def test_evidence_cannot_take_the_place_of_the_problems_own_status():
    problem = problems.of_refusal(Refusal.of(errors.AlreadyCheckedIn("b", "served")), 7)

    assert problem.members == {
        "type": "/problems/already-checked-in",
        "title": "The visit has begun or is over",
        "status": 409,
        "detail": "b is served",
        "booking": "b",
        "booking_status": "served",
        "position": 7,
    }


def test_who_is_refused_together_does_not_come_back_together():
    seconds = {int(problems.retry_after(10)[1]) for _ in range(100)}

    assert min(seconds) >= 10
    assert max(seconds) <= 16
    assert len(seconds) > 3
