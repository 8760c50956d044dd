"""From a booking to a letter with its calendar and an SMS with its receipt, through the servers of others."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from datetime import time as wall
from email import message_from_bytes, policy
from threading import Event, Thread
from typing import Any

import icalendar
import psycopg
import pytest

from domain import commands, wire
from domain.calendar import RIYADH, local_date
from domain.opening_hours import is_weekend
from infra.bootstrap import views_for
from infra.message_channels import channel_names
from infra.messaging import queue_message, run_messages
from infra.settings import SettingsError
from projections.follow import Follower
from tests.consumers.peers import Mailbox, Simulator, free_port, smtp_server

DAY = timedelta(days=1)


@pytest.fixture
def mailbox():
    return Mailbox()


@pytest.fixture
def environ(mailbox, tmp_path):
    """Settings of the two servers."""
    simulator = Simulator(tmp_path / "simulator.log")
    password = tmp_path / "password"
    password.write_text("jpwd\n")
    with smtp_server(mailbox) as port:
        yield {
            "MAWID_SMTP_SERVER": f"127.0.0.1:{port}",
            "MAWID_SMTP_SECURITY": "none",
            "MAWID_EMAIL_TO": "{mobile}@sms.example",
            "MAWID_EMAIL_FROM": "mawid@moi.example",
            "MAWID_SMPP_SERVER": f"127.0.0.1:{simulator.port}",
            "MAWID_SMPP_USER": "j",
            "MAWID_SMPP_PASSWORD_FILE": str(password),
            "MAWID_SMPP_RECEIPT_IDS": "hex-decimal",
        }
    simulator.kill()


@contextmanager
def running(instance) -> Iterator[None]:
    stopping = Event()
    thread = Thread(target=run_messages, args=(instance, stopping))
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


def coming_start(office) -> datetime:
    """The first of a day that is no weekend and is published here, some days ahead."""
    now = datetime.now(UTC)
    day = next(day for n in range(3, 9) if not is_weekend(day := local_date(now) + n * DAY))
    office.submit(office.command(commands.PublishDay, office="CA-TB-01", day=day, at=now))
    return datetime.combine(day, wall(10), RIYADH)


def entry_of(letter) -> tuple[Any, Any]:
    parsed = message_from_bytes(letter.content, policy=policy.default)
    (part,) = [part for part in parsed.walk() if part.get_content_type() == "text/calendar"]
    calendar = icalendar.Calendar.from_ical(part.get_content())
    return calendar["METHOD"], calendar.walk("VEVENT")[0]


def test_a_booking_is_confirmed_moved_and_cancelled_by_letter_and_sms(make_office, environ, mailbox, database_url):
    office = make_office(**environ)
    settings = office.instance.settings
    channels = channel_names(settings.messages, settings.instance.notify_urls)
    follower = Follower(database_url, views_for(settings, database_url), page_events_max=1_000)
    start, seen = coming_start(office), office.head()

    def deliver(kind):
        nonlocal seen
        follower.catch_up()
        with psycopg.connect(database_url, autocommit=True) as connection:
            facts = connection.execute("SELECT position, type, state FROM log WHERE position > %s", (seen,)).fetchall()
            for position, topic, state in facts:
                event, seen = wire.decode(topic, state), max(seen, position)
                queue_message(connection, position, event, channels=channels, now=datetime.now(UTC))
            deadline = time.monotonic() + 30
            states: dict[str, str] = {}
            while set(states.values()) != {"delivered"}:
                assert time.monotonic() < deadline, states
                time.sleep(0.05)
                rows = connection.execute("SELECT channel, state FROM message WHERE kind = %s", (kind,))
                states = dict(rows.fetchall())
        assert states == {"sms": "delivered", "email": "delivered"}

    with running(office.instance):
        booked = office.submit(office.booking(1, start=start, at=datetime.now(UTC), mobile="+966500000001"))
        booking = booked.answer["booking"]
        deliver("confirmation")
        later = start + timedelta(minutes=15)
        moving = office.command(commands.Reschedule, booking=booking, starts_at=later, at=datetime.now(UTC))
        office.submit(moving)
        deliver("change")
        office.submit(office.command(commands.Cancel, booking=booking, at=datetime.now(UTC)))
        deliver("cancellation")
    follower.close()

    entries = [entry_of(letter) for letter in mailbox.letters]
    assert [(method, event["SEQUENCE"]) for method, event in entries] == [("REQUEST", 0), ("REQUEST", 1), ("CANCEL", 2)]
    assert {str(event["UID"]) for _, event in entries} == {f"{booking}@mawid"}
    assert [event["DTSTART"].dt.astimezone(UTC) for _, event in entries] == [start, later, later]


@pytest.mark.parametrize(
    ("variable", "value"),
    [("MAWID_NOTIFY_URLS", "nosuchservice://secret@host"), ("MAWID_SMPP_PASSWORD_FILE", "nowhere/password")],
)
def test_a_way_that_cannot_be_is_told_in_one_sentence(make_office, variable, value):
    office = make_office(**{"MAWID_SMPP_SERVER": f"127.0.0.1:{free_port()}", variable: value})

    with pytest.raises(SettingsError) as met:
        run_messages(office.instance, Event())

    assert met.value.variable == variable
    assert "secret" not in str(met.value)


def test_servers_that_are_away_stop_nothing_and_the_message_waits(make_office, database_url):
    away = {"MAWID_SMPP_SERVER": f"127.0.0.1:{free_port()}", "MAWID_SMPP_USER": "j"}
    office = make_office(**away)
    start = coming_start(office)
    booked = office.submit(office.booking(1, start=start, at=datetime.now(UTC), mobile="+966500000001"))

    with running(office.instance), psycopg.connect(database_url, autocommit=True) as connection:
        follower = Follower(database_url, views_for(office.instance.settings, database_url), page_events_max=1_000)
        follower.catch_up()
        follower.close()
        (topic, state) = connection.execute(
            "SELECT type, state FROM log WHERE position = %s", (booked.position,)
        ).fetchone() or ("", b"")
        event = wire.decode(topic, state)
        queue_message(connection, booked.position, event, channels=["sms"], now=datetime.now(UTC))
        deadline, told = time.monotonic() + 20, None
        while told != ("queued", "smpp-connection", 1):
            assert time.monotonic() < deadline, told
            time.sleep(0.05)
            told = connection.execute("SELECT state, why, attempts FROM message").fetchone()
