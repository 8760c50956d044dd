"""The facts of one booking, as the topic brings them."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from consumers.composing import Name, Names, compose
from consumers.notices import notice_of
from consumers.sending import Envelope
from domain.calendar import RIYADH
from domain.calendar_entry import Language
from domain.events import (
    BookingCancelled,
    BookingDisplacedIn,
    BookingDisplacedOut,
    BookingMovedIn,
    BookingMovedOut,
    CheckedIn,
    Fact,
    PlaceOffered,
    SlotBooked,
    WaitingListJoined,
    WaitingListLeft,
)

NINE = datetime(2011, 2, 6, 9, tzinfo=RIYADH)
TEN = NINE + timedelta(hours=1)
BEFORE = NINE - timedelta(days=5)
NAMES = Names(
    offices={"CA-TB-01": Name("إدارة الأحوال المدنية بتبوك", "Tabuk Civil Affairs")},
    services={"SV-CA-02": Name("تجديد بطاقة الهوية الوطنية", "Renew national ID")},
)


class Story:
    """Appends facts about one booking; each method gives the fact that a message may be about."""

    def __init__(self):
        self.facts = []
        self.at = BEFORE
        self.where: dict[str, Any] = {"by": "citizen", "office": "CA-TB-01", "service": "SV-CA-02", "minutes": 15}
        self.start = NINE

    def _add(self, event):
        position = 100 + len(self.facts)
        self.facts.append(Fact("stream", 1, self.at, b"c" * 16, "P1", "B1", event, position))
        return self.facts[-1]

    def _booking(self, kind, **more):
        return self._add(kind(**self.where, channel="portal", starts_at=self.start, **more))

    def book(self, **more):
        return self._booking(SlotBooked, reference_key="k", **more)

    def move(self, to):
        was = self.start
        self._booking(BookingMovedOut, to_office="CA-TB-01", to_starts_at=to)
        self.start = to
        return self._booking(BookingMovedIn, from_office="CA-TB-01", from_starts_at=was, reschedules=1)

    def displace(self, to):
        was = self.start
        out = self._booking(BookingDisplacedOut, reason="water", to_starts_at=to)
        if to is None:
            return out
        self.start = to
        return self._booking(BookingDisplacedIn, reason="water", from_starts_at=was)

    def cancel(self):
        return self._booking(BookingCancelled)

    def check_in(self):
        return self._booking(CheckedIn)

    def join(self):
        window: dict[str, Any] = {"since": NINE.date(), "until": NINE.date()}
        return self._add(WaitingListJoined(**self.where, channel="portal", **window))

    def offer(self, expires_at):
        return self._add(PlaceOffered(**self.where, starts_at=self.start, expires_at=expires_at))

    def leave(self, reason):
        return self._add(WaitingListLeft(by="citizen", office="CA-TB-01", service="SV-CA-02", reason=reason))


@pytest.fixture
def story():
    return Story()


@pytest.fixture
def envelope(story):
    """A confirmation on its way, in a language."""

    def make(language: Language = "en") -> Envelope:
        notice = notice_of(story.book())
        assert notice is not None
        message = compose(notice, story.facts, names=NAMES, reference="7M4K-92QX-R3TB-H", language=language)
        return Envelope(message=message, mobile="+966500000001", id=f"{notice.position}.{notice.kind}", at=BEFORE)

    return make
