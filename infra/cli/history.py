"""audit history."""

from datetime import datetime

import click

from api.clock import InvalidInstant, parse_instant
from infra.cli.opening import now, opened_database
from infra.migrate import migrate
from infra.stream_history import UnusableStream, lines, stream_history

#: Of the auditor's commands: what was asked for is not there, or is no log of Mawid's.
UNUSABLE = 2


class Place(click.ParamType[int | datetime]):
    name = "position"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int | datetime:
        text = str(value)
        if text.isascii() and text.isdigit():
            return int(text)
        try:
            return parse_instant(text)
        except InvalidInstant:
            self.fail(f"{text!r} is neither a position nor an instant such as 2011-02-05T09:00:00+03:00", param, ctx)


@click.command()
@click.argument("stream")
@click.option("--at", type=Place(), help="As of this position, or of an instant; without it, as of the last fact.")
def history(stream: str, at: int | datetime | None) -> None:
    """Print the state of STREAM, and the facts that made it.

    STREAM is slot/OFFICE@START, office/ID, booking/ID, person/ID, policy, or any other stream of the log.
    """
    instant, position = (at, None) if isinstance(at, datetime) else (None, at)
    with opened_database() as (settings, found):
        migrate(found.dsn)
        folded_max = settings.http.stream_folded_events_max
        try:
            told = stream_history(found.dsn, stream, at=instant, at_position=position, now=now(), folded_max=folded_max)
        except UnusableStream as unusable:
            click.echo(f"mawid: {unusable}", err=True)
            raise SystemExit(UNUSABLE) from None
    for line in lines(told):
        click.echo(line)
