"""By e-mail: to the address that a gateway gives each mobile number, with the entry for the calendar."""

import smtplib
import ssl
from contextlib import ExitStack
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Final, Literal

from consumers.sending import Away, Envelope, HandedOver, Refused, Unavailable
from domain.calendar_entry import Invitation, calendar_entry, method_of

Security = Literal["none", "starttls", "tls"]
_FOR_GOOD: Final = 500  # SMTP: codes from here on


@dataclass(frozen=True, kw_only=True)
class MailServer:
    host: str
    port: int
    security: Security
    user: str
    password: str = field(repr=False)
    sender: str
    address: str  # of a recipient, with {mobile} in it: their number in digits, such as 966500000001
    wait_s_max: float


class Mail:
    name = "email"

    def __init__(self, server: MailServer, trust: ssl.SSLContext | None = None) -> None:
        """`trust`: which servers are; None: those that the machine trusts."""
        self.server, self._trust = server, trust
        self._connection: smtplib.SMTP | None = None

    def send(self, envelope: Envelope) -> HandedOver:
        letter = _letter(envelope, self.server.sender, address_of(self.server.address, envelope.mobile))
        try:
            self._connected().send_message(letter)
        except (smtplib.SMTPException, OSError) as error:
            self.close()
            raise _failure(error) from error
        return HandedOver()

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _connected(self) -> smtplib.SMTP:
        """One connection for many letters; a server that has hung up meanwhile is called again."""
        if self._connection is not None and not self._is_alive(self._connection):
            self.close()
        if self._connection is None:
            self._connection = self._connect()
        return self._connection

    @staticmethod
    def _is_alive(connection: smtplib.SMTP) -> bool:
        try:
            return bool(connection.noop()[0] < _FOR_GOOD)
        except (smtplib.SMTPException, OSError):
            return False

    def _connect(self) -> smtplib.SMTP:
        server, trust = self.server, self._trust or ssl.create_default_context()
        connection: smtplib.SMTP
        if server.security == "tls":
            connection = smtplib.SMTP_SSL(server.host, server.port, timeout=server.wait_s_max, context=trust)
        else:
            connection = smtplib.SMTP(server.host, server.port, timeout=server.wait_s_max)
        with ExitStack() as unless_ready:
            unless_ready.callback(connection.close)
            if server.security == "starttls":
                connection.starttls(context=trust)
            if server.user:
                connection.login(server.user, server.password)
            unless_ready.pop_all()
        return connection


def address_of(template: str, mobile: str) -> str:
    return template.replace("{mobile}", mobile.removeprefix("+"))


def _letter(envelope: Envelope, sender: str, address: str) -> EmailMessage:
    message = envelope.message
    letter = EmailMessage()
    letter["From"], letter["To"], letter["Subject"] = sender, address, message.subject
    letter["Date"], letter["Message-ID"] = envelope.at, f"<{envelope.id}@{sender.rpartition('@')[2]}>"
    letter["Auto-Submitted"], letter["Content-Language"] = "auto-generated", message.language
    letter.set_content(f"{message.personal_text}\n\n-- \n{message.signature}\n")
    if message.appointment is not None:
        invitation = Invitation(organizer=sender, attendee=address)
        entry = calendar_entry(message.appointment, message.language, envelope.at, invitation)
        told = {"method": method_of(message.appointment, invitation), "name": "appointment.ics"}
        letter.add_alternative(entry.decode(), subtype="calendar", params=told)
    return letter


def _failure(error: smtplib.SMTPException | OSError) -> Refused | Unavailable:
    match error:
        case smtplib.SMTPRecipientsRefused(recipients=recipients):
            [code] = {code for code, _ in recipients.values()}
        case smtplib.SMTPAuthenticationError():
            return Away("smtp-login")
        case smtplib.SMTPResponseException(smtp_code=code) if code > 0:
            pass
        case smtplib.SMTPNotSupportedError():
            return Away("smtp-not-supported")
        case _:
            return Away("smtp-connection")
    return Refused(f"smtp-{code}") if code >= _FOR_GOOD else Unavailable(f"smtp-{code}")
