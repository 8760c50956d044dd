"""serve, migrate, catalogue load, token, settings, doctor."""

import time

import click

from domain.identifiers import InvalidNumber, parse_number
from infra import doctor as examination
from infra.bootstrap import key_files
from infra.cli.opening import Failure, opened_database, opened_instance
from infra.keys import Keys
from infra.migrate import migrate as apply_migrations
from infra.processes import prepare, refuse_used_port, web_links
from infra.processes import serve as run_server
from infra.settings import Settings
from infra.tokens import Role, TokenScopeError, issue


@click.command()
@click.option("--workers", type=click.IntRange(1, 64), help="API processes; else MAWID_WORKERS.")
def serve(workers: int | None) -> None:
    """Serve the API and pages until SIGTERM or Ctrl-C."""
    with opened_database() as (settings, found):
        refuse_used_port(settings)
        prepare(settings, found)
        for line in web_links(settings):
            click.echo(line)
        run_server(settings, found, workers=workers)


@click.command()
def migrate() -> None:
    """Bring the database's tables up to this version."""
    with opened_database() as (_, found):
        applied = apply_migrations(found.dsn)
    click.echo(f"applied: {', '.join(applied)}" if applied else "nothing to apply")


@click.group()
def catalogue() -> None:
    """The offices and services of the catalogue."""


@catalogue.command()
def load() -> None:
    """Make the catalogue facts; twice changes nothing."""
    with opened_instance() as instance:
        position = instance.recorder.max_notification_id()
    click.echo(f"the catalogue is in the log, which ends at position {position}")


@click.command()
@click.option("--role", required=True, type=click.Choice([role.value for role in Role]))
@click.option("--office", help="Office id, for kiosk, staff and manager.")
@click.option("--region", help="Region code, for a manager of a region.")
@click.option("--number", help="Beneficiary number, for a citizen.")
def token(role: str, office: str | None, region: str | None, number: str | None) -> None:
    """A bearer token of this instance's own issuer, alone on the last line."""
    settings = Settings.load()
    keys = Keys.open(key_files(settings))
    try:
        lookup = keys.number_lookup(parse_number(number).digits) if number else None
        text = issue(
            keys,
            Role(role),
            office=office,
            region=region,
            number_lookup=lookup,
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


@click.command()
def doctor() -> None:
    """Check this installation, in one screen."""
    findings = examination.examine()
    for finding in findings:
        click.echo(f"{finding.mark} {finding.what}: {finding.said}")
    if any(finding.is_wrong for finding in findings):
        raise SystemExit(1)


COMMANDS = (serve, migrate, catalogue, token, settings, doctor)
