"""token, settings: what needs no database."""

import time
from dataclasses import asdict

import click

from domain.identifiers import InvalidNumber, parse_number
from infra.cli.failures import Failure
from infra.keys import KeyFiles, Keys
from infra.settings import Settings
from infra.tokens import Role, TokenScopeError, issue


@click.command()
@click.option("--role", required=True, type=click.Choice([role.value for role in Role]))
@click.option("--office", help="Office id, for kiosk, staff and manager.")
@click.option("--region", help="Region code, for a manager of a region.")
@click.option("--number", help="Beneficiary number, for a citizen.")
@click.option("--name", help="An operator's own name: two of them tell two operators apart.")
def token(role: str, office: str | None, region: str | None, number: str | None, name: str | None) -> None:
    """A bearer token of this instance's own issuer, alone on the last line."""
    settings = Settings.load()
    files = KeyFiles.named_in(settings)
    # Before the first start there are none. One that is missing among others was lost, and is not to be made anew.
    keys = Keys.open(files, create=not any(path.exists() for path in asdict(files).values()))
    try:
        lookup = keys.number_lookup(parse_number(number).digits) if number else None
        text = issue(
            keys,
            Role(role),
            office=office,
            region=region,
            number_lookup=lookup,
            operator_name=name,
            lifetime_s=settings.callers.token_lifetime_s,
            now=time.time(),
        )
    except (TokenScopeError, InvalidNumber) as error:
        raise Failure(str(error)) from error
    click.echo(text)


@click.command()
def settings() -> None:
    """Every setting with its meaning, its value and its default."""
    for setting in Settings.load().describe():
        click.echo(f"{setting.variable}={setting.value}")
        click.echo(f"    {setting.meaning} (default: {setting.default or 'empty'})")
