"""From a validated request to the domain's command. The rules are the domain's; here is only who may speak for whom."""

from collections.abc import Sequence
from datetime import timedelta

from api import schemas
from api.command_specs import Asked
from api.idempotency import part_key
from api.policy_table import CHANNELS
from api.problems import forbidden, invalid
from domain.commands import (
    AnnounceLiveDate,
    Beneficiary,
    Book,
    BookGroup,
    Caller,
    Cancel,
    PublishDay,
    RegisterOffice,
    Reschedule,
)
from domain.identifiers import kind_of
from domain.ports import Receipt

# -- bookings ---------------------------------------------------------------------------------------------------------


def book(asked: Asked) -> Sequence[Book]:
    return (_book(asked, asked.body, 0),)


def book_group(asked: Asked) -> Sequence[BookGroup]:
    bookings, most = asked.body.bookings, asked.services.limits.group_bookings_max
    if len(bookings) > most:
        raise invalid("bookings", f"a group has at most {most} bookings")
    return (BookGroup(**asked.stamp(), bookings=tuple(_book(asked, one, n) for n, one in enumerate(bookings))),)


def reschedule(asked: Asked) -> Sequence[Reschedule]:
    body: schemas.RescheduleIn = asked.body
    return (Reschedule(**asked.stamp(), booking=asked.booking, starts_at=body.starts_at, office=body.office),)


def cancel(asked: Asked) -> Sequence[Cancel]:
    return (Cancel(**asked.stamp(), booking=asked.booking, reason=asked.body.reason),)


def _book(asked: Asked, body: schemas.BookIn, index: int) -> Book:
    caller = asked.caller
    refuse_other_channel(caller, body.channel)
    return Book(
        command_id=asked.command_id,
        fingerprint=asked.fingerprint,
        caller=caller,
        at=asked.at,
        booking=asked.services.booking_id(asked.command_id, index),
        office=body.office,
        service=body.service,
        starts_at=body.starts_at,
        beneficiary=beneficiary(asked, body.beneficiary),
        channel=body.channel,
        booker=_booker(asked, caller, body.booker) if body.booker is not None else None,
        hold=body.hold,
    )


def refuse_other_channel(caller: Caller, channel: str) -> None:
    if channel not in CHANNELS[caller.role]:
        raise forbidden(f"the role {caller.role} does not book over {channel}")


def _booker(asked: Asked, caller: Caller, told: schemas.BeneficiaryIn) -> Beneficiary:
    """A desk names who came; a citizen is who asks."""
    booker = beneficiary(asked, told)
    if caller.role == "citizen" and booker.lookup != caller.lookup:
        raise forbidden("a citizen books in their own name")
    return booker


def beneficiary(asked: Asked, told: schemas.BeneficiaryIn) -> Beneficiary:
    return Beneficiary(
        number=told.number,
        kind=kind_of(told.number),
        lookup=asked.services.lookup(told.number),
        sex=told.sex,
        name=told.name,
        mobile=told.mobile,
        language=told.language,
    )


# -- offices ----------------------------------------------------------------------------------------------------------


def register_office(asked: Asked) -> Sequence[RegisterOffice]:
    body: schemas.OfficeIn = asked.body
    told = {name: getattr(body, name) for name in schemas.OfficeIn.model_fields}
    return (RegisterOffice(**asked.stamp(), **told | {"sectors": tuple(body.sectors)}),)


def announce_live_date(asked: Asked) -> Sequence[AnnounceLiveDate]:
    return (AnnounceLiveDate(**asked.stamp(), office=asked.office, live_from=asked.body.since),)


def publish(asked: Asked) -> Sequence[PublishDay]:
    """A command for each day, so that a long range holds up nobody. The first carries the key itself: another body
    under the same key is refused there, before any of its days is published."""
    body: schemas.PublicationIn = asked.body
    days, most = (body.until - body.since).days + 1, asked.services.limits.publication_days_max
    if days < 1:
        raise invalid("to", "is before `from`")
    if days > most:
        raise invalid("to", f"at most {most} days are published at a time")
    stamp, principal, command_id = asked.stamp(), asked.caller.subject, asked.services.command_id
    commands = [PublishDay(**stamp, office=asked.office, day=body.since)]
    for n in range(1, days):
        day = body.since + timedelta(days=n)
        stamp["command_id"] = command_id(principal, part_key(asked.key, day.isoformat()))
        commands.append(PublishDay(**stamp, office=asked.office, day=day))
    return commands


def published(receipts: Sequence[Receipt]) -> Receipt:
    said = {"units_published": 0, "units_withdrawn": 0, "days_open": 0, "days_closed": 0}
    position, is_replayed = 0, True
    for receipt in receipts:
        if receipt.answer is None:
            return receipt
        said["units_published"] += receipt.answer["units_published"]
        said["units_withdrawn"] += receipt.answer["units_withdrawn"]
        said["days_open" if receipt.answer["open"] else "days_closed"] += 1
        position, is_replayed = max(position, receipt.position), is_replayed and receipt.replayed
    return Receipt(position, said, None, is_replayed)
