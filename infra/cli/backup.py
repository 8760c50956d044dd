"""backup, restore."""

from datetime import UTC, datetime
from pathlib import Path

import click

from infra.backup import Backup, back_up
from infra.backup import prune_archive as prune
from infra.cli.opening import opened_database, opened_settings
from infra.restoring import restore as restore_backup


class Instant(click.ParamType[datetime]):
    name = "instant"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            instant = datetime.fromisoformat(str(value))
        except ValueError:
            instant = None
        if instant is None or instant.tzinfo is None:
            self.fail(f"{value!r} is not an instant such as 2026-02-05T09:00:00+03:00", param, ctx)
        return instant


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--prune-archive", is_flag=True, help="Delete the archived WAL that only older backups need.")
def backup(folder: Path, *, prune_archive: bool) -> None:
    """Copy the whole database to the new FOLDER, beside whatever goes on; the keys are not in it."""
    with opened_database() as (settings, found):
        made = back_up(settings, found, folder)
    manifest, archive = made.manifest, settings.backups.wal_archive_folder
    took_s = (manifest.consistent_at - manifest.began_at).total_seconds()
    click.echo(f"{folder}: at least {manifest.position} events, as of {manifest.consistent_at:%Y-%m-%dT%H:%M:%SZ}")
    click.echo(f"copied in {took_s:.1f} s and verified; the keys are not in it: mawid keys backup FILE")
    if manifest.archive is None:
        said = "was not set when the server started" if archive is None or found.embedded else "is not for that server"
        click.echo(f"it can be restored as it is, to no later moment: MAWID_WAL_ARCHIVE_FOLDER {said}")
        return
    click.echo(f"later moments come from {manifest.archive} in MAWID_WAL_ARCHIVE_FOLDER")
    if prune_archive and prune(settings, made):
        click.echo("the archive holds what this backup needs and nothing older")


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--to", "data_dir", type=click.Path(path_type=Path), required=True, help="The new MAWID_DATA_DIR.")
@click.option("--at", type=Instant(), help="As it was then; else all that backup and archive hold.")
def restore(folder: Path, data_dir: Path, at: datetime | None) -> None:
    """Make a database of the backup in FOLDER, and hold it against all that is known of it. Exit 1: it is not whole."""
    with opened_settings() as settings:
        restored = restore_backup(settings, Backup.read(folder), data_dir, at)
    last = f", the last recorded at {restored.last_at.astimezone(UTC).isoformat()}" if restored.last_at else ""
    click.echo(f"{data_dir}: {restored.position} events{last}")
    for finding in restored.findings:
        click.echo(f"{'✗' if finding.is_wrong else '✓'} {finding.said}", err=finding.is_wrong)
    keys = settings.keys.vault_key_file.absolute().parent
    if keys != data_dir.absolute() / "keys":
        click.echo(f"serve from it with MAWID_DATA_DIR={data_dir}, and the keys of {keys} in {data_dir / 'keys'}")
    if settings.backups.wal_archive_folder is not None:
        click.echo("it archives into a folder of its own from its next start on: take a backup of it then")
    if any(finding.is_wrong for finding in restored.findings):
        raise SystemExit(1)
