"""keys rotate vault."""

from datetime import timedelta

import click

from infra.bootstrap import open_instance
from infra.cli.opening import now, opened_database
from infra.migrate import migrate
from infra.vault_rotation import destroy_older
from infra.vault_rotation import rotate as rotate_vault


@click.group()
def keys() -> None:
    """The instance's secrets: their rotation."""


@keys.group()
def rotate() -> None:
    """Put another key in the place of one, without losing what the old one made."""


@rotate.command()
@click.option("--destroy-old", is_flag=True, help="Do not keep the old key for MAWID_VAULT_KEY_KEEP_DAYS.")
def vault(*, destroy_old: bool) -> None:
    """Seal all personal data under a new key, while bookings go on; interrupted, the same again finishes it."""
    with opened_database() as (settings, found):
        migrate(found.dsn)
        with open_instance(settings, found.dsn) as instance:
            limits, path, dsn = settings.vault, settings.keys.vault_key_file, found.dsn
            rotated = rotate_vault(dsn, instance.vault, path, now(), rows_at_once=limits.vault_rotation_rows_max)
            began = "sealed anew" if rotated.is_new else "sealed anew, in a rotation that had been interrupted,"
            click.echo(f"{rotated.rewrapped} persons {began} under key {rotated.kek_id}")
            if rotated.unreadable:
                click.echo(f"{rotated.unreadable} rows did not open: they and their key stay; see the log")
            keep = timedelta() if destroy_old else timedelta(days=limits.vault_key_keep_days)
            destroyed = destroy_older(dsn, instance.vault, path, now(), keep=keep)
    if destroyed:
        click.echo(f"destroyed: {', '.join(destroyed)}; backups from before open nothing, and copies of the key have")
        click.echo("to be destroyed too (make a new backup of the keys)")
    else:
        click.echo("the old key still opens backups; it is destroyed when its days are over, or with --destroy-old")
