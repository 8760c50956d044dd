"""audit check, checkpoint, erasures, export, history, key, verify, witness."""

from pathlib import Path

import click

from infra.bootstrap import VIEWS
from infra.cli.checkpoints import checkpoint, key, witness
from infra.cli.erasures import erasures
from infra.cli.history import history
from infra.cli.opening import opened_database
from infra.export import export_log, signed_now
from infra.migrate import migrate
from infra.playing import Progress
from infra.self_check import LOG, check_all
from infra.settings import Settings, SettingsError
from infra.signing import signing_files


@click.group()
def audit() -> None:
    """For those who check: the log as a file."""


@audit.command()
def check() -> None:
    """Hold the log against its leaves, and every view against the log. Exit 1: something is wrong."""
    with opened_database() as (settings, found):
        migrate(found.dsn)
        checked = check_all(settings, found.dsn)
    for each in checked:
        verdict = "whole" if each.part == LOG else "equal to the log"
        click.echo(f"{each.part}: {each.position} events, {each.problem or verdict}")
    for view in sorted(set(VIEWS) - {each.part for each in checked}):
        click.echo(f"{view}: not compared")
    if any(each.problem is not None for each in checked):
        raise SystemExit(1)


@audit.command()
@click.argument("path", type=str)
def export(path: str) -> None:
    """Write the whole log to PATH, with what proves it: one file; into a folder, if PATH is one or ends with a slash.

    Interrupted, the next run goes on. A log that has been tampered with is written as it is, for `verify` to find.
    """
    place, as_folder = Path(path), path.endswith("/") or Path(path).is_dir()
    with opened_database() as (settings, found):
        migrate(found.dsn)
        signed = signed_now(settings, found.dsn)
        with Progress() as progress:
            exported = export_log(found.dsn, place, signed, as_folder=as_folder, on_progress=progress)
    if exported.resumed_at is not None:
        click.echo(f"went on after event {exported.resumed_at}, where an earlier run had stopped")
    click.echo(f"{exported.events} events in {exported.seconds:.1f} s; root {exported.root}")
    for warning in exported.warnings:
        click.echo(f"WARNING: THE LOG HAS BEEN TAMPERED WITH: {warning}", err=True)


@audit.command()
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--checkpoint", "kept", type=click.Path(path_type=Path), help="A checkpoint kept from an earlier time.")
@click.option("--key", "keys", multiple=True, help="A verifier key, or a file of them. Default: this instance's own.")
@click.option("--json", "in_json", is_flag=True, help="The verdict as JSON.")
def verify(path: Path, kept: Path | None, keys: tuple[str, ...], in_json: bool) -> None:
    """Verify an export (FILE, or its folder) without a database or a network. 0 whole, 1 tampered with, 2 unusable."""
    from infra import verifier

    try:
        own = signing_files(Settings.load()).verifiers
        named = keys or ([str(own)] if own.is_file() else [])
        trusted = [key for text in named for key in verifier.keys_of(text)]
    except (verifier.UnusableError, SettingsError) as error:
        raise SystemExit(verifier.unusable(str(error), in_json=in_json)) from error
    raise SystemExit(verifier.run(path, trusted, kept, in_json=in_json))


for each in (checkpoint, erasures, history, key, witness):
    audit.add_command(each)
