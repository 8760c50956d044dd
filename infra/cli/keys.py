"""keys backup, restore, rotate."""

from datetime import timedelta
from pathlib import Path
from typing import TextIO

import click
import psycopg

from infra import keys_backup
from infra.bootstrap import open_instance
from infra.cli.failures import Failure
from infra.cli.opening import now, opened_database
from infra.key_rotation import add_reference, end_signing_rotation, rotate_command, rotate_signing, rotate_token
from infra.keys import KeyFiles
from infra.keys_backup import PASSPHRASE_CHARACTERS_MAX, PASSPHRASE_CHARACTERS_MIN
from infra.migrate import migrate
from infra.settings import Settings
from infra.signing import signing_files
from infra.vault_rotation import destroy_older
from infra.vault_rotation import rotate as rotate_vault


@click.group()
def keys() -> None:
    """The instance's secrets: their backup and their rotation."""


_passphrase_file = click.option(
    "--passphrase-file", type=click.File("r"), help="Its first line is the passphrase; - is standard input."
)


@keys.command()
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path))
@_passphrase_file
def backup(path: Path, passphrase_file: TextIO | None) -> None:
    """Seal all keys into FILE under a passphrase. Keep FILE apart from this machine, and the passphrase from FILE."""
    settings = Settings.load()
    files = KeyFiles.named_in(settings)
    folders = {settings.storage.data_dir.resolve(), files.vault.resolve().parent}
    if any(path.resolve().is_relative_to(folder) for folder in folders):
        click.echo(f"WARNING: {path} lies with the keys themselves: move it to another machine", err=True)
    passphrase = _passphrase(passphrase_file, is_new=True)
    held = keys_backup.back_up(files, signing_files(settings).verifiers, path, passphrase, now())
    click.echo(f"sealed into {path}: {', '.join(held)}")


@keys.command()
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path))
@_passphrase_file
def restore(path: Path, passphrase_file: TextIO | None) -> None:
    """Put the keys in FILE back where one is missing; never over another one."""
    settings = Settings.load()
    files, verifiers = KeyFiles.named_in(settings), signing_files(settings).verifiers
    restored = keys_backup.put_back(files, verifiers, path, _passphrase(passphrase_file))
    click.echo(f"the backup was made at {restored.made_at.isoformat(timespec='seconds')}")
    for place in restored.put_back:
        click.echo(f"put back: {place}")
    for place in restored.there_already:
        click.echo(f"was there already: {place}")


def _passphrase(file: TextIO | None, *, is_new: bool = False) -> str:
    if file is not None:
        words = file.readline(PASSPHRASE_CHARACTERS_MAX + 1).rstrip("\r\n")
    else:
        words = click.prompt("Passphrase", hide_input=True, confirmation_prompt=is_new, err=True)
    if is_new and not PASSPHRASE_CHARACTERS_MIN <= len(words) <= PASSPHRASE_CHARACTERS_MAX:
        raise Failure(
            f"a passphrase has {PASSPHRASE_CHARACTERS_MIN} to {PASSPHRASE_CHARACTERS_MAX} characters: "
            "six words drawn by lot are good, and easy to write down"
        )
    return words


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


@rotate.command()
@click.option("--end", is_flag=True, help="The key before signs no more: those who verify know the new one by now.")
def signing(*, end: bool) -> None:
    """Sign the log with a new key, and with the one before too until --end. Old checkpoints stay valid."""
    if end:
        end_signing_rotation(Settings.load())
        click.echo("the key before signs no more; `mawid audit key` still tells its public half")
        return
    with opened_database() as (settings, found):
        migrate(found.dsn)
        with psycopg.connect(found.dsn, autocommit=True) as connection:
            signed = rotate_signing(settings, connection, now())
    if signed is not None:
        click.echo(str(signed.note), nl=False)
    click.echo("tell those who verify the first line of `mawid audit key`, then end it with --end")


@rotate.command()
def token() -> None:
    """Refuse every token made so far, within a second and without a restart; `mawid token` makes new ones."""
    rotate_token(Settings.load())
    click.echo("every token made before is refused from now on")


@rotate.command()
@click.option("--forget-retries", is_flag=True, help="Says that what the key was for is given up; has to be said.")
def command(*, forget_retries: bool) -> None:
    """Name commands with a new key. A command of before that comes again is a new one: stop all that runs first.

    The rules still hold for it (one active booking of a service, one check-in); an import is not to be run again.
    """
    if not forget_retries:
        raise Failure("a command of before will not be recognised when it comes again: say so with --forget-retries")
    with opened_database() as (settings, found):
        migrate(found.dsn)
        with psycopg.connect(found.dsn, autocommit=True) as connection:
            rotate_command(settings, connection)
    click.echo("commands are named with a new key; make a new backup of the keys")


@rotate.command()
def reference() -> None:
    """Make the references of new bookings with a new key; those of before stay good. Stop all that runs first."""
    with opened_database() as (settings, found):
        migrate(found.dsn)
        with psycopg.connect(found.dsn, autocommit=True) as connection:
            add_reference(settings, connection)
    click.echo("new bookings have references of a new key; make a new backup of the keys")
