"""publish, live: the same commands as over HTTP, decided as the operator of this machine."""

from datetime import date, timedelta
from uuid import uuid4

import click

from domain.commands import AnnounceLiveDate, PublishDay
from infra.bootstrap import OPERATOR
from infra.cli.failures import Failure
from infra.cli.opening import Day, now, opened_instance

DAYS_MAX = 400


@click.command()
@click.argument("office")
@click.argument("first", metavar="FROM", type=Day())
@click.argument("last", metavar="TO", type=Day())
def publish(office: str, first: date, last: date) -> None:
    """Open the slots of OFFICE from FROM to TO, both included."""
    if not 0 <= (last - first).days < DAYS_MAX:
        raise Failure(f"TO has to be the same day or up to {DAYS_MAX - 1} days after FROM")
    run = uuid4().hex
    with opened_instance() as instance:
        days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
        futures = [
            instance.desk.submit(
                PublishDay(**instance.stamp(OPERATOR, f"publish/{run}/{day}", now()), office=office, day=day)
            )
            for day in days
        ]
        answers = []
        for receipt in (future.result() for future in futures):
            if receipt.answer is None:
                raise Failure(receipt.refusal.detail if receipt.refusal else "refused")
            answers.append(receipt.answer)
    published = sum(answer["units_published"] for answer in answers)
    withdrawn = sum(answer["units_withdrawn"] for answer in answers)
    is_open = sum(answer["open"] for answer in answers)
    click.echo(f"units published {published}, withdrawn {withdrawn}; days open {is_open}, closed {len(days) - is_open}")


@click.command()
@click.argument("office")
@click.argument("first", metavar="FROM", type=Day())
def live(office: str, first: date) -> None:
    """Let OFFICE take bookings from 00:00 of FROM."""
    with opened_instance() as instance:
        stamp = instance.stamp(OPERATOR, f"live/{uuid4().hex}", now())
        receipt = instance.desk.submit(AnnounceLiveDate(**stamp, office=office, live_from=first)).result()
    if receipt.refusal is not None:
        raise Failure(receipt.refusal.detail)
    click.echo(f"{office} takes bookings from {first} (position {receipt.position})")
