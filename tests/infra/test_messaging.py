"""What is queued leaves, once, while it is true; what becomes of it is noted, and nothing of anybody's data is."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest

from consumers.mail import Mail, MailServer
from domain import commands, wire
from domain.calendar import RIYADH
from infra import message_log
from infra.bootstrap import views_for
from infra.messaging import Messenger, queue_message
from infra.settings import Settings
from projections import history
from projections.follow import Follower
from tests.consumers.peers import Mailbox, free_port, smtp_server
from tests.offices import ADVANCE, MONDAY

MOBILE = "+966500000001"
ADDRESS = "966500000001@sms.example"
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
EVE = datetime(2011, 1, 2, 16, tzinfo=RIYADH)


class Post:
    """An office whose facts are queued as the topic would bring them, and sent by a messenger to a mailbox."""

    def __init__(self, office, connection, mailbox, follower, mail):
        self.office, self.connection, self.mailbox, self.follower = office, connection, mailbox, follower
        self.mail = mail
        self.messenger = Messenger(office.instance, connection, [mail])
        self.seen = office.head()

    def book(self, seed=1, **told):
        booked = self.office.submit(self.office.booking(seed, **({"mobile": MOBILE} | told)))
        return booked.answer["booking"]

    def cancel(self, booking):
        self.office.submit(self.office.command(commands.Cancel, booking=booking))

    def move(self, booking, start):
        self.office.submit(
            self.office.command(commands.Reschedule, booking=booking, office="CA-TB-01", starts_at=start)
        )

    def queue(self, channels=("email",), now=ADVANCE):
        """How many messages the facts since then have become."""
        self.follower.catch_up()
        rows = self.connection.execute(
            "SELECT position, type, state FROM log WHERE position > %s ORDER BY position", (self.seen,)
        ).fetchall()
        return sum(
            queue_message(self.connection, position, wire.decode(topic, state), channels=channels, now=now)
            for position, topic, state in rows
        )

    def send(self, now=ADVANCE):
        while self.messenger.send_next(now):
            pass

    def messages(self):
        return self.connection.execute("SELECT kind, state, why FROM message ORDER BY position, kind").fetchall()

    def openings(self):
        return self.connection.execute("SELECT who, why FROM vault.opening ORDER BY id").fetchall()


@pytest.fixture
def mailbox():
    return Mailbox()


@pytest.fixture
def open_post(make_office, mailbox, database_url, tmp_path):
    with smtp_server(mailbox) as port, psycopg.connect(database_url, autocommit=True) as connection:
        server = MailServer(
            host="127.0.0.1", port=port, security="none", user="", password="",
            sender="mawid@moi.example", address="{mobile}@sms.example", wait_s_max=5,
        )  # fmt: skip
        mail = Mail(server)
        settings = Settings.load({"MAWID_DATABASE_URL": database_url, "MAWID_DATA_DIR": str(tmp_path)})
        follower = Follower(database_url, views_for(settings, database_url), page_events_max=1_000)

        def make(**environ):
            return Post(make_office(counters=4, **environ), connection, mailbox, follower, mail)

        yield make
        mail.close()
        follower.close()


@pytest.fixture
def post(open_post):
    return open_post()


def test_a_fact_becomes_one_message_and_one_opening_of_the_vault(post):
    booking = post.book(language="en")

    queued, again = post.queue(), post.queue(("email", "sms"))
    post.send()
    post.send(ADVANCE + HOUR)

    assert (queued, again) == (1, 0)
    assert post.messages() == [("confirmation", "delivered", None)]
    (letter,) = post.mailbox.letters
    assert letter.rcpt_tos == [ADDRESS]
    assert post.office.instance.reference_of(booking).encode() in letter.content
    assert b"s at o, Monday 3 January 2011" in letter.content
    assert post.openings() == [("consumer/messages", f"confirmation {booking}")]


def test_no_table_but_the_vault_knows_whom_a_message_went_to(post):
    post.book(name="Huda")
    post.queue()
    post.send()

    rows = post.office.all_rows_outside_the_vault()

    assert not any(told in row for row in rows for told in (b"966500000001", b"500000001", b"Huda"))


def test_a_fact_that_the_log_does_not_have_is_no_message(post):
    booking = post.book()
    (_, told) = post.connection.execute("SELECT type, state FROM log ORDER BY position DESC LIMIT 1").fetchone()
    booked = wire.decode("SlotBooked.v1", told)
    post.cancel(booking)

    for position in (post.office.head(), post.office.head() + 1):
        assert not queue_message(post.connection, position, booked, channels=["email"], now=ADVANCE)


def test_what_is_no_longer_true_is_not_sent_and_nothing_is_opened_for_it(post):
    booking = post.book()
    post.move(booking, post.office.start_after(3))
    post.cancel(booking)
    assert post.queue() == 3

    post.send()

    assert post.messages() == [
        ("confirmation", "suppressed", "superseded"),
        ("change", "suppressed", "superseded"),
        ("cancellation", "delivered", None),
    ]
    assert post.openings() == [("consumer/messages", f"cancellation {booking}")]


def test_one_person_is_sent_so_many_messages_a_day_and_the_next_day_again(open_post):
    post = open_post(MAWID_PERSON_DAY_MESSAGES_MAX="2")
    booking = post.book()
    for n in (1, 2):
        post.queue()
        post.send()
        post.move(booking, post.office.start_after(n))
    post.cancel(booking)
    post.queue()

    post.send()
    other = post.book(2, mobile="+966500000002")
    post.queue()
    post.send()

    told = post.messages()
    assert told[:4] == [
        ("confirmation", "delivered", None),
        ("change", "delivered", None),
        ("change", "suppressed", "superseded"),
        ("cancellation", "suppressed", "cap"),
    ]
    assert told[4] == ("confirmation", "delivered", None)
    assert other


def test_what_cannot_leave_now_leaves_later_and_what_is_refused_never(post):
    post.book()
    post.book(2, mobile="+966500000002")
    post.queue()
    post.mailbox.refused = {ADDRESS: "450 busy", "966500000002@sms.example": "550 no such mailbox"}
    post.send()
    assert post.messages() == [("confirmation", "queued", "smtp-450"), ("confirmation", "failed", "smtp-550")]

    post.mailbox.refused.clear()
    post.send(ADVANCE + timedelta(seconds=29))
    too_early = list(post.mailbox.letters)
    post.send(ADVANCE + timedelta(seconds=30))

    assert too_early == []
    assert post.messages() == [("confirmation", "delivered", None), ("confirmation", "failed", "smtp-550")]
    assert len(post.mailbox.letters) == 1


def test_attempts_are_bounded_and_ever_further_apart(open_post):
    post = open_post(MAWID_MESSAGE_ATTEMPTS_MAX="4", MAWID_MESSAGE_RETRY_S_MAX="100")
    post.book()
    post.queue()
    post.mailbox.refused = {ADDRESS: "450 busy"}
    tried, now = [], ADVANCE
    for _ in range(400):
        if post.messenger.send_next(now):
            tried.append((now - ADVANCE).total_seconds())
        now += timedelta(seconds=1)

    assert tried == [0, 30, 90, 190]
    assert post.messages() == [("confirmation", "failed", "smtp-450")]


def test_a_server_that_is_away_is_left_alone_for_a_while(post):
    away = Mail(replace(post.mail.server, port=free_port()))
    messenger = Messenger(post.office.instance, post.connection, [away])
    for seed in (1, 2, 3):
        post.book(seed, mobile=f"+96650000000{seed}")
    post.queue()

    tried = [messenger.send_next(ADVANCE) for _ in range(3)]

    assert tried == [True, False, False]
    assert post.messages() == [("confirmation", "queued", "smtp-connection")] + 2 * [("confirmation", "queued", None)]


def test_a_process_that_ended_in_the_middle_leaves_the_message_to_a_later_attempt(open_post):
    post = open_post(MAWID_MESSAGE_ATTEMPTS_MAX="2")
    post.book()
    post.queue()
    for _ in range(2):
        taken = message_log.take_up(post.connection, ADVANCE + 2 * MINUTE * _, retry_first_s=30, retry_s_max=60)
        assert taken is not None

    post.send(ADVANCE + HOUR)

    assert post.messages() == [("confirmation", "failed", "attempts")]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("DELETE FROM vault.person", "erased"),
        ("UPDATE vault.person SET mobile = NULL", "no-mobile"),
        ("UPDATE vault.person SET mobile = number", "sealed"),
    ],
)
def test_whom_the_vault_does_not_tell_of_is_not_sent_to(post, change, why):
    post.book()
    post.queue()
    post.connection.execute(change)

    post.send()

    assert post.messages() == [("confirmation", "suppressed", why)]
    assert post.mailbox.letters == []


def test_a_way_that_is_not_open_any_more_is_not_waited_for(post):
    post.book()
    post.queue(["notify-3"])

    post.send()

    assert post.messages() == [("confirmation", "suppressed", "no-channel")]


# -- receipts ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def taken(post):
    """A message taken up, to be handed over and receipted."""
    post.book()
    post.queue(["sms"])
    return message_log.take_up(post.connection, ADVANCE, retry_first_s=30, retry_s_max=60)


def receipted(post, receipt, *, is_delivered=True, why="DELIVRD"):
    message_log.note_receipt(post.connection, receipt, is_delivered=is_delivered, why=why, now=ADVANCE)


@pytest.mark.parametrize("early", [[], ["b"], ["a", "b"]])
def test_a_message_has_arrived_when_all_its_parts_have_whatever_comes_first(post, taken, early):
    for receipt in early:
        receipted(post, receipt)
    message_log.hand_over(post.connection, taken, ["a", "b"], ADVANCE)
    for receipt in {"a", "b"} - set(early):
        assert post.messages() == [("confirmation", "sent", None)]
        receipted(post, receipt)

    assert post.messages() == [("confirmation", "delivered", None)]


def test_a_message_is_lost_with_one_of_its_parts(post, taken):
    message_log.hand_over(post.connection, taken, ["a", "b"], ADVANCE)
    receipted(post, "b", is_delivered=False, why="UNDELIV")
    receipted(post, "a")

    assert post.messages() == [("confirmation", "failed", "UNDELIV")]


def test_a_receipt_that_never_comes_is_not_waited_for_for_ever(post, taken):
    message_log.hand_over(post.connection, taken, ["a"], ADVANCE)

    post.messenger.end_waiting(ADVANCE + 23 * HOUR)
    assert post.messages() == [("confirmation", "sent", None)]
    post.messenger.end_waiting(ADVANCE + 26 * HOUR)

    assert post.messages() == [("confirmation", "sent", "no-receipt")]
    assert post.office.count("message_part") == 0


# -- reminders --------------------------------------------------------------------------------------------------------


def test_the_day_before_those_who_stand_on_the_day_are_reminded_once(post):
    stays, moves, cancels = (post.book(seed, mobile=f"+96650000000{seed}") for seed in (1, 2, 3))
    post.move(moves, post.office.start_after(24))
    post.cancel(cancels)
    post.follower.catch_up()

    early = post.messenger.remind(EVE - MINUTE)
    due = post.messenger.remind(EVE)
    again = post.messenger.remind(EVE + HOUR)
    post.send(EVE)
    next_day = post.messenger.remind(EVE + timedelta(days=1))

    assert (early, due, again, next_day) == (0, 1, 0, 1)
    assert post.messages()[0] == ("reminder", "delivered", None)
    assert post.openings() == [("consumer/messages", f"reminder {stays}")]


def test_whoever_books_after_the_hour_of_reminding_is_not_reminded(post):
    late = post.office.booking(1, at=EVE + MINUTE, mobile=MOBILE)
    post.office.submit(late)
    post.follower.catch_up()

    assert post.messenger.remind(EVE + HOUR) == 0


def test_a_reminder_waits_for_the_view_that_tells_who_is_to_be_reminded(post, database_url):
    post.follower.catch_up()
    with psycopg.connect(database_url) as holding:
        holding.execute("SELECT FROM view_position WHERE name = 'bookings' FOR UPDATE")
        post.book()
        behind = post.messenger.remind(EVE)

    post.follower.catch_up()

    assert (behind, post.messenger.remind(EVE)) == (0, 1)


def test_nobody_is_reminded_of_a_visit_they_have_cancelled_since(post):
    booking = post.book()
    post.follower.catch_up()
    post.messenger.remind(EVE)
    post.cancel(booking)

    post.send(EVE + MINUTE)

    assert post.messages() == [("reminder", "suppressed", "ended")]


def test_a_reminder_that_did_not_leave_before_its_visit_began_has_failed(post):
    post.book()
    post.follower.catch_up()
    post.messenger.remind(EVE)

    post.send(MONDAY)

    assert post.messages() == [("reminder", "failed", "past")]
    assert post.messenger.tell_hours(MONDAY + HOUR) == 1


def test_what_became_of_an_hours_reminders_is_told_once_as_a_fact(post):
    bookings = [post.book(seed, mobile=f"+96650000000{seed}") for seed in (1, 2, 3)]
    post.follower.catch_up()
    post.messenger.remind(EVE)
    post.mailbox.refused = {"966500000002@sms.example": "550 no", "966500000003@sms.example": "450 busy"}
    post.cancel(bookings[0])
    post.send(EVE)

    running = post.messenger.tell_hours(EVE + MINUTE)
    unsettled = post.messenger.tell_hours(EVE + HOUR)
    post.mailbox.refused.clear()
    post.send(EVE + HOUR)
    told = post.messenger.tell_hours(EVE + HOUR)
    again = post.messenger.tell_hours(EVE + 2 * HOUR)

    assert (running, unsettled, told, again) == (0, 0, 1, 0)
    fact: Any
    (fact,) = [each.fact.event for each in history.of_stream(post.connection, "operation/2011-01-02")]
    assert (fact.since, fact.sent, fact.delivered) == (EVE, 2, 1)
    assert fact.by == "system"
