"""E-mail, against a real SMTP server; the calendar entry in it, as a client reads it."""

import ssl
from dataclasses import replace
from email import message_from_bytes, policy
from typing import Any

import icalendar
import pytest
from aiosmtpd.smtp import AuthResult, LoginPassword

from consumers.composing import compose
from consumers.mail import Mail, MailServer
from consumers.notices import notice_of
from consumers.sending import Envelope, Refused, Unavailable
from tests.consumers.conftest import BEFORE, NAMES, TEN
from tests.consumers.peers import Mailbox, free_port, smtp_server
from tests.consumers.trust import self_signed

ADDRESS = "966500000001@sms.example"


@pytest.fixture
def mailbox():
    return Mailbox()


@pytest.fixture
def server(mailbox):
    with smtp_server(mailbox) as port:
        yield MailServer(
            host="127.0.0.1",
            port=port,
            security="none",
            user="",
            password="",
            sender="mawid@moi.example",
            address="{mobile}@sms.example",
            wait_s_max=5,
        )


@pytest.fixture
def mail(server):
    mail = Mail(server)
    yield mail
    mail.close()


def read(letter):
    return message_from_bytes(letter.content, policy=policy.default)


def test_a_letter_is_in_the_language_of_its_reader_and_can_be_told_from_another(mail, mailbox, envelope):
    mail.send(envelope("ar"))

    (taken,) = mailbox.letters
    letter = read(taken)
    assert taken.rcpt_tos == [ADDRESS]
    assert (letter["From"], letter["To"]) == ("mawid@moi.example", ADDRESS)
    assert letter["Subject"] == "تم تأكيد موعدكم"
    assert letter["Message-ID"] == "<100.confirmation@moi.example>"
    assert letter["Auto-Submitted"] == "auto-generated"
    assert "7M4K-92QX-R3TB-H" in letter.get_body("plain").get_content()


def test_a_calendar_moves_the_entry_with_the_booking_and_drops_it_when_it_is_cancelled(mail, mailbox, story):
    causes = [story.book(), story.move(TEN), story.cancel()]
    for cause in causes:
        notice = notice_of(cause)
        assert notice is not None
        message = compose(notice, story.facts, names=NAMES, reference="7M4K-92QX-R3TB-H", language="en")
        mail.send(Envelope(message=message, mobile="+966500000001", id=str(cause.position), at=BEFORE))

    calendar: dict[str, Any] = {}  # as a client keeps it: by UID, the highest SEQUENCE counts
    seen = []
    for letter in map(read, mailbox.letters):
        (part,) = [part for part in letter.walk() if part.get_content_type() == "text/calendar"]
        entry = icalendar.Calendar.from_ical(part.get_content())
        event: Any
        (event,) = entry.walk("VEVENT")
        assert part.get_param("method") == entry["METHOD"]
        assert event["ATTENDEE"] == f"mailto:{ADDRESS}"
        assert event["ORGANIZER"] == "mailto:mawid@moi.example"
        assert entry.walk("VTIMEZONE")[0]["TZID"] == "Asia/Riyadh"
        seen.append((entry["METHOD"], event["SEQUENCE"], event["DTSTART"].dt))
        if entry["METHOD"] == "CANCEL":
            del calendar[event["UID"]]
        elif event["SEQUENCE"] >= calendar.get(event["UID"], event)["SEQUENCE"]:
            calendar[event["UID"]] = event

    assert [(method, sequence) for method, sequence, _ in seen] == [("REQUEST", 0), ("REQUEST", 1), ("CANCEL", 2)]
    assert seen[1][2].isoformat() == "2011-02-06T10:00:00+03:00"
    assert calendar == {}


@pytest.mark.parametrize(
    ("answer", "failure"), [("550 no such mailbox", Refused("smtp-550")), ("450 busy", Unavailable("smtp-450"))]
)
def test_a_refused_recipient_is_refused_for_good_or_for_now(mail, mailbox, envelope, answer, failure):
    mailbox.refused[ADDRESS] = answer

    with pytest.raises(type(failure)) as met:
        mail.send(envelope())

    assert met.value.why == failure.why
    mailbox.refused.clear()
    mail.send(envelope())
    assert len(mailbox.letters) == 1


def test_a_connection_that_drops_in_the_middle_is_made_anew(mail, mailbox, envelope):
    mail.send(envelope())
    mailbox.drop_next = True

    with pytest.raises(Unavailable) as met:
        mail.send(envelope())

    assert met.value.why == "smtp-connection"
    mail.send(envelope())
    assert len(mailbox.letters) == 2


def test_a_server_that_is_not_there_is_unavailable(server, envelope):
    with pytest.raises(Unavailable):
        Mail(replace(server, port=free_port())).send(envelope())


def told_by(mail, envelope):
    try:
        mail.send(envelope)
    except Unavailable as failure:
        return failure.why
    finally:
        mail.close()
    return "taken"


def test_a_server_is_trusted_by_its_certificate_and_trusts_a_password(server, mailbox, tmp_path, envelope):
    certificate = self_signed(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)

    def judge(_server, _session, _envelope, _mechanism, told):
        assert isinstance(told, LoginPassword)
        return AuthResult(success=told.password == b"right", handled=False)

    options = {"tls_context": context, "require_starttls": True, "auth_required": True, "authenticator": judge}
    with smtp_server(mailbox, **options) as port:
        known = replace(server, port=port, security="starttls", user="mawid", password="right")
        trust = ssl.create_default_context(cafile=certificate)
        told = [
            told_by(Mail(known), envelope()),
            told_by(Mail(replace(known, password="wrong"), trust), envelope()),
            told_by(Mail(known, trust), envelope()),
        ]

    assert told == ["smtp-connection", "smtp-login", "taken"]
    assert len(mailbox.letters) == 1
