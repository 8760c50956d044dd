"""What is on disk must be readable for ever: names, fields and bytes of every event."""

from datetime import date, datetime

import pytest

from domain import wire
from domain.calendar import RIYADH
from domain.events import EVENTS, LiveDateAnnounced, SlotBooked

START = datetime(2011, 2, 5, 9, tzinfo=RIYADH)

ON_DISK = {
    "RegionRegistered.v1": b'{"by":"operator","region":"TB","name_ar":"\xd8\xaa","name_en":"Tabuk"}',
    "ServiceRegistered.v1": b'{"by":"operator","service":"SV-CA-02","sector":"civil_affairs","name_ar":"x",'
    b'"name_en":"y","audience":"citizen","minutes":15,"electronic":true,"needs_visit":true,"documents":"old ID"}',
    "OfficeRegistered.v1": b'{"by":"operator","office":"CA-TB-01","name_ar":"x","name_en":"y","city_ar":"x",'
    b'"city_en":"y","region":"TB","section":"mixed","counters":3,"latitude":28.4}',
    "LiveDateAnnounced.v1": b'{"by":"operator","office":"CA-TB-01","live_from":"2011-01-15"}',
    "CountersAssigned.v1": b'{"by":"manager@CA-TB-01","office":"CA-TB-01","since":"2011-02-05T09:00:00+03:00",'
    b'"until":"2011-02-05T12:00:00+03:00","counters":4}',
    "DayPublished.v1": b'{"by":"operator","office":"CA-TB-01","day":"2011-02-04","starts":[],"reason":"weekend"}',
    "SlotOpened.v1": b'{"by":"operator","office":"CA-TB-01","starts_at":"2011-02-05T09:00:00+03:00","capacity":3}',
    "SlotResized.v1": b'{"by":"operator","office":"CA-TB-01","starts_at":"2011-02-05T09:00:00+03:00","capacity":4}',
    "SlotWithdrawn.v1": b'{"by":"operator","office":"CA-TB-01","starts_at":"2011-02-05T09:00:00+03:00","capacity":4}',
    "SlotOccupied.v1": b'{"by":"citizen","office":"CA-TB-01","starts_at":"2011-02-05T09:15:00+03:00"}',
    "SlotReleased.v1": b'{"by":"citizen","office":"CA-TB-01","starts_at":"2011-02-05T09:15:00+03:00"}',
    "SlotBooked.v1": b'{"by":"citizen","office":"CA-TB-01","starts_at":"2011-02-05T09:00:00+03:00",'
    b'"service":"SV-CA-02","minutes":15,"channel":"portal","reference_key":"a1b2c3d4","reachable":true}',
    "BookingMovedOut.v1": b'{"by":"citizen","office":"CA-TB-01","starts_at":"2011-02-05T09:00:00+03:00",'
    b'"service":"SV-CA-02","minutes":15,"channel":"portal","to_office":"CA-TB-02",'
    b'"to_starts_at":"2011-02-06T09:00:00+03:00"}',
    "BookingMovedIn.v1": b'{"by":"citizen","office":"CA-TB-02","starts_at":"2011-02-06T09:00:00+03:00",'
    b'"service":"SV-CA-02","minutes":15,"channel":"portal","reschedules":1,"from_office":"CA-TB-01",'
    b'"from_starts_at":"2011-02-05T09:00:00+03:00"}',
    "BookingCancelled.v1": b'{"by":"staff@CA-TB-01","office":"CA-TB-01","starts_at":"2011-02-05T09:00:00+03:00",'
    b'"service":"SV-CA-02","minutes":15,"channel":"portal","late":true}',
    "OfficePaused.v1": b'{"by":"manager@CA-TB-01","office":"CA-TB-01","reason":"water"}',
    "OfficeResumed.v1": b'{"by":"manager@CA-TB-01","office":"CA-TB-01"}',
    "ClosureAnnounced.v1": b'{"by":"manager@CA-TB-01","office":"CA-TB-01","since":"2011-02-05T00:00:00+03:00",'
    b'"until":"2011-02-06T00:00:00+03:00","reason":"water"}',
    "OpeningAnnounced.v1": b'{"by":"operator","office":"CA-TB-01","since":"2011-02-03","until":"2011-02-04",'
    b'"hours":[["16:00","18:00"]]}',
    "DailyPauseAssigned.v1": b'{"by":"operator","office":"CA-TB-01","since":"2011-02-03","pauses":[["12:00","12:30"]]}',
    "FairReleaseAssigned.v1": b'{"by":"operator","office":"CA-TB-01","is_on":true}',
    "PlaceHeld.v1": b'{"by":"citizen","office":"CA-TB-01","starts_at":"2011-02-05T09:00:00+03:00",'
    b'"service":"SV-CA-02","minutes":30,"channel":"portal","expires_at":"2011-02-01T09:10:00+03:00"}',
    "PlaceClaimed.v1": b'{"by":"citizen","office":"CA-TB-01","starts_at":"2011-02-05T09:15:00+03:00",'
    b'"until":"2011-02-01T09:10:00+03:00"}',
    "PlaceReturned.v1": b'{"by":"system","office":"CA-TB-01","starts_at":"2011-02-05T09:15:00+03:00"}',
    "HoldReleased.v1": b'{"by":"citizen","office":"CA-TB-01","starts_at":"2011-02-05T09:00:00+03:00"}',
    "HoldExpired.v1": b'{"by":"system","office":"CA-TB-01","starts_at":"2011-02-05T09:00:00+03:00"}',
    "WaitingListJoined.v1": b'{"by":"citizen","office":"CA-TB-01","service":"SV-CA-02","minutes":15,'
    b'"since":"2011-02-05","until":"2011-02-12","channel":"portal","reachable":true}',
    "PlaceOffered.v1": b'{"by":"system","office":"CA-TB-01","service":"SV-CA-02",'
    b'"starts_at":"2011-02-05T09:00:00+03:00","minutes":15,"expires_at":"2011-02-01T11:00:00+03:00"}',
    "WaitingListLeft.v1": b'{"by":"system","office":"CA-TB-01","service":"SV-CA-02","reason":"lapsed"}',
    "BookingDisplacedOut.v1": b'{"by":"manager@CA-TB-01","office":"CA-TB-01","starts_at":"2011-02-05T09:00:00+03:00",'
    b'"service":"SV-CA-02","minutes":15,"channel":"portal","reason":"water",'
    b'"to_starts_at":"2011-02-06T09:00:00+03:00"}',
    "BookingDisplacedIn.v1": b'{"by":"manager@CA-TB-01","office":"CA-TB-01","starts_at":"2011-02-06T09:00:00+03:00",'
    b'"service":"SV-CA-02","minutes":15,"channel":"portal","reason":"water",'
    b'"from_starts_at":"2011-02-05T09:00:00+03:00"}',
    "WalkedIn.v1": b'{"by":"staff@CA-TB-01","office":"CA-TB-01","starts_at":"2011-02-05T09:00:00+03:00",'
    b'"service":"SV-CA-02","minutes":15,"channel":"counter","reference_key":"a1b2c3d4"}',
    "CheckedIn.v1": b'{"by":"kiosk@CA-TB-01","office":"CA-TB-01","starts_at":"2011-02-05T09:00:00+03:00",'
    b'"service":"SV-CA-02","minutes":15,"channel":"portal"}',
    "CustomerCalled.v1": b'{"by":"staff@CA-TB-01","office":"CA-TB-01","starts_at":"2011-02-05T09:00:00+03:00",'
    b'"service":"SV-CA-02","minutes":15,"channel":"portal","waited_s":300}',
    "OutcomeCorrected.v1": b'{"by":"staff@CA-TB-01","office":"CA-TB-01","starts_at":"2011-02-05T09:00:00+03:00",'
    b'"service":"SV-CA-02","minutes":15,"channel":"portal","outcome":"served","corrected":"no_show",'
    b'"outcome_at":"2011-02-05T09:20:00+03:00"}',
    "PersonCorrected.v1": b'{"by":"staff@CA-TB-01","corrected":["number"],"kind":"citizen"}',
    "GuardianAppointed.v1": b'{"by":"staff@CA-TB-01","guardian":"P7M4K","until":"2012-01-01"}',
    "ErasureRequested.v1": b'{"by":"operator","request":"4z7ms8qk2v9tx0c1wjhe","operator":"huda",'
    b'"lapses_at":"2011-02-12T09:00:00+03:00"}',
    "PersonErased.v1": b'{"by":"operator","request":"4z7ms8qk2v9tx0c1wjhe","operator":"salem"}',
    "PolicyAdopted.v1": b'{"by":"operator","version":2,"since":"2011-03-01","rules":{"horizon_days":60}}',
    "RemindersDelivered.v1": b'{"by":"system","since":"2011-02-05T16:00:00+03:00","sent":240,"delivered":233}',
    "HourOperated.v1": b'{"by":"system","since":"2011-02-05T09:00:00+03:00","process":"7f3a90c1",'
    b'"minutes_watched":"0-59","minutes_ready":"0-59","minutes_fresh":"0-14,16-59","confirmations":120,'
    b'"confirmations_prompt":119}',
    "MeasurementMade.v1": b'{"by":"operator","measurement":"M1","period_from":"2011-01-01","period_to":"2011-03-31",'
    b'"as_of":42,"values":{"A1":"77/171"},"overall_index":"0.8459"}',
    "MeasurementCorrected.v1": b'{"by":"operator","measurement":"M1","overall_index":"0.8460","source":"Qiyas 2011"}',
    "OutcomeRecorded.v1": b'{"by":"operator","office":"CA-TB-01","starts_at":"2011-02-05T09:00:00+03:00",'
    b'"service":"SV-CA-02","minutes":15,"channel":"portal","outcome":"served"}',
}


def test_every_event_has_a_name_on_disk_and_every_name_an_event():
    assert {event.TOPIC for event in EVENTS} == set(ON_DISK)


@pytest.mark.parametrize("topic", ON_DISK)
def test_bytes_already_on_disk_still_read_and_would_be_written_the_same_again(topic):
    event = wire.decode(topic, ON_DISK[topic])

    assert topic == event.TOPIC
    assert wire.encode(event) == ON_DISK[topic]


def test_a_name_nobody_knows_is_an_error_not_a_gap():
    with pytest.raises(wire.UnknownEvent):
        wire.decode("SlotVanished.v9", b"{}")


def test_times_read_back_in_office_time():
    event = wire.decode("SlotBooked.v1", ON_DISK["SlotBooked.v1"])

    assert isinstance(event, SlotBooked)
    assert event.starts_at == START
    assert event.starts_at.utcoffset() == START.utcoffset()


def test_dates_are_dates():
    event = wire.decode("LiveDateAnnounced.v1", ON_DISK["LiveDateAnnounced.v1"])

    assert isinstance(event, LiveDateAnnounced)
    assert event.live_from == date(2011, 1, 15)


def test_a_fact_cannot_be_changed():
    event = wire.decode("SlotOpened.v1", ON_DISK["SlotOpened.v1"])

    with pytest.raises(AttributeError):
        event.by = "nobody"  # type: ignore[misc]


@pytest.mark.parametrize("event", EVENTS)
def test_no_event_has_a_field_for_personal_data(event):
    assert {"number", "name", "mobile", "language", "sex"}.isdisjoint(event.__struct_fields__)
