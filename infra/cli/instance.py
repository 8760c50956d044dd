"""serve, migrate, catalogue load, doctor."""

import click

from infra import doctor as examination
from infra.cli.opening import opened_database, opened_instance
from infra.migrate import migrate as apply_migrations
from infra.processes import prepare, refuse_used_port, web_links
from infra.processes import serve as run_server


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
def doctor() -> None:
    """Check this installation, in one screen."""
    findings = examination.examine()
    for finding in findings:
        click.echo(f"{finding.mark} {finding.what}: {finding.said}")
    if any(finding.is_wrong for finding in findings):
        raise SystemExit(1)
