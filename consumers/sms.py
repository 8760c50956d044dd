"""By SMS, over SMPP 3.4: parts where one is too short, and receipts of what became of each.

One session, used by one thread: it sends, and between messages it listens. Whatever goes wrong ends the session; the
next message begins another.
"""

import logging
import re
import struct
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Final, Literal, NamedTuple

from smpplib import consts, exceptions, gsm, smpp
from smpplib.client import Client

from consumers.sending import Away, Envelope, HandedOver, Refused, Unavailable

#: Ours are three or four in Arabic.
_PARTS_MAX: Final = 10
#: Those of GSM's default alphabet that take one septet: others would be cut in two at the end of a part. What stands
#: in the library's table for what it lacks is no character of it.
_GSM: Final = frozenset(gsm.GSM_CHARACTER_TABLE[:0x80]) - {"`", "\x1b"}
#: The server is busy: a later attempt may do.
_BUSY: Final = frozenset({consts.SMPP_ESME_RTHROTTLED, consts.SMPP_ESME_RMSGQFUL, consts.SMPP_ESME_RSYSERR})
_ALPHANUMERIC: Final = 5  # type of number of a sender such as `Mawid`
_INTERNATIONAL: Final = 1
_DELIVERED: Final = "DELIVRD"
_LOST: Final = frozenset({"EXPIRED", "DELETED", "UNDELIV", "REJECTD"})
_STATES: Final = {
    consts.SMPP_MESSAGE_STATE_DELIVERED: _DELIVERED,
    consts.SMPP_MESSAGE_STATE_EXPIRED: "EXPIRED",
    consts.SMPP_MESSAGE_STATE_DELETED: "DELETED",
    consts.SMPP_MESSAGE_STATE_UNDELIVERABLE: "UNDELIV",
    consts.SMPP_MESSAGE_STATE_REJECTED: "REJECTD",
}
_RECEIPT: Final = re.compile(rb"id:(?P<id>\S+).*?\bstat:(?P<state>\w+)", re.DOTALL | re.IGNORECASE)


#: A line that is cut, silent, or speaks something else than SMPP.
_BROKEN: Final = (exceptions.ConnectionError, exceptions.UnknownCommandError, OSError, struct.error, ValueError)
#: The library writes what it sends into its log, numbers and texts, and a warning of each end of a session.
_LOG: Final = logging.getLogger("smpp")
_LOG.setLevel(logging.ERROR)


@dataclass(frozen=True, kw_only=True)
class SmsServer:
    host: str
    port: int
    user: str
    password: str = field(repr=False)
    sender: str  # a name, or a number in digits
    receipt_ids: Literal["same", "hex-decimal"]  # hex-decimal: hexadecimal when taken over, decimal in the receipt
    wait_s_max: float
    enquire_every_s: float
    valid_h: int  # how long the network tries


class SmsReceipt(NamedTuple):
    """What became of one part."""

    id: str
    is_delivered: bool
    why: str  # as the network says it: DELIVRD, UNDELIV …


class Sms:
    name = "sms"

    def __init__(self, server: SmsServer, on_receipt: Callable[[SmsReceipt], None]) -> None:
        """`on_receipt` keeps it: when it returns, the server is told so and forgets it."""
        self._server, self._on_receipt = server, on_receipt
        self._client: Client | None = None
        self._answers: dict[int, Any] = {}
        self._heard_at = 0.0

    def send(self, envelope: Envelope) -> HandedOver:
        parts, coding, esm_class = _parts(envelope.message.personal_text)
        try:
            client = self._bound()
            return HandedOver(tuple(self._submit(client, part, coding, esm_class, envelope) for part in parts))
        except _BROKEN as error:
            self.close()
            raise Away("smpp-connection") from error
        except exceptions.PDUError as error:
            self.close()
            raise _failure(error) from error

    def listen(self) -> None:
        """Take in what has come meanwhile; a silent line is asked whether it lives. Away."""
        try:
            client = self._bound()
            client.poll(auto_send_enquire_link=False)
            if monotonic() - self._heard_at > self._server.enquire_every_s:
                self._ask(client, smpp.make_pdu("enquire_link", client=client))
        except (exceptions.PDUError, *_BROKEN) as error:
            self.close()
            raise Away("smpp-connection") from error

    def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.disconnect()  # without a word: the server may be the reason

    # -- one session --------------------------------------------------------------------------------------------------

    def _bound(self) -> Client:
        if self._client is not None:
            return self._client
        server = self._server
        client = Client(
            server.host, server.port, server.wait_s_max, logger_name=_LOG.name, allow_unknown_opt_params=True
        )
        with ExitStack() as unless_bound:
            unless_bound.callback(client.disconnect)
            client.connect()
            client.bind_transceiver(system_id=server.user, password=server.password)
            unless_bound.pop_all()
        client.set_message_sent_handler(self._take_answer)
        client.set_message_received_handler(self._take_receipt)
        client.set_error_pdu_handler(self._take_answer)
        self._client, self._heard_at = client, monotonic()
        return client

    def _submit(self, client: Client, part: bytes, coding: int, esm_class: int, envelope: Envelope) -> str:
        sender = self._server.sender
        is_number = sender.isdecimal()
        answer = self._ask(
            client,
            smpp.make_pdu(
                "submit_sm",
                client=client,
                source_addr_ton=_INTERNATIONAL if is_number else _ALPHANUMERIC,
                source_addr_npi=consts.SMPP_NPI_ISDN if is_number else 0,
                source_addr=sender,
                dest_addr_ton=_INTERNATIONAL,
                dest_addr_npi=consts.SMPP_NPI_ISDN,
                destination_addr=envelope.mobile.removeprefix("+"),
                short_message=part,
                data_coding=coding,
                esm_class=esm_class,
                validity_period=_period(self._server.valid_h),
                registered_delivery=consts.SMPP_SMSC_DELIVERY_RECEIPT_BOTH,
            ),
        )
        return _canonical(answer.message_id)

    def _ask(self, client: Client, asked: Any) -> Any:  # noqa: ANN401 - the library is not typed
        """The answer to it; receipts that come before it are taken in."""
        client.send_pdu(asked)
        deadline = monotonic() + self._server.wait_s_max
        while asked.sequence not in self._answers:
            if monotonic() > deadline:
                raise exceptions.ConnectionError
            client.read_once(auto_send_enquire_link=False)
            self._heard_at = monotonic()
            if asked.command == "enquire_link":
                return None
        answer = self._answers.pop(asked.sequence)
        if answer.is_error():
            raise exceptions.PDUError(answer.command, int(answer.status))
        return answer

    def _take_answer(self, pdu: Any) -> None:  # noqa: ANN401
        self._answers[pdu.sequence] = pdu

    def _take_receipt(self, pdu: Any) -> None:  # noqa: ANN401
        receipt = _receipt(pdu, self._server.receipt_ids)
        if receipt is not None:
            self._on_receipt(receipt)


def _parts(text: str) -> tuple[list[bytes], int, int]:
    """The text in GSM's 7 bits where it fits, else in UCS-2; the parts, their coding, and whether they are of one."""
    coding = consts.SMPP_ENCODING_DEFAULT if _GSM.issuperset(text) else consts.SMPP_ENCODING_ISO10646
    parts, coding, esm_class = gsm.make_parts(text, coding)
    if len(parts) > _PARTS_MAX:
        raise Refused("sms-too-long")
    return parts, coding, esm_class


def _period(hours: int) -> str:
    """SMPP's relative time: years, months, days, hours, minutes, seconds."""
    days, hours = divmod(hours, 24)
    return f"0000{days:02}{hours:02}0000000R"


def _canonical(told: bytes) -> str:
    return told.rstrip(b"\0").decode("ascii", "replace").lower().lstrip("0")


def _receipt(pdu: Any, ids: str) -> SmsReceipt | None:  # noqa: ANN401
    """None: no receipt but a message from somebody, or a state on the way."""
    words = _RECEIPT.search(pdu.short_message or b"")
    told, state = pdu.receipted_message_id, _STATES.get(pdu.message_state)
    if words is not None:
        told, state = told or words["id"], state or words["state"].decode().upper()
    if told is None or (state != _DELIVERED and state not in _LOST):
        return None
    name = _canonical(told)
    if ids == "hex-decimal" and name.isdecimal():
        name = f"{int(name):x}"
    return SmsReceipt(name, state == _DELIVERED, state)


def _failure(error: exceptions.PDUError) -> Refused | Unavailable:
    status = error.args[1] if len(error.args) > 1 else None
    if not isinstance(status, int):
        return Away("smpp-connection")
    why = f"smpp-{status:#06x}"
    if error.args[0] != "submit_sm_resp":  # the session's own, such as a wrong password
        return Away(why)
    return Unavailable(why) if status in _BUSY else Refused(why)
