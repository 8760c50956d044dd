"""audit key, checkpoint, witness."""

from datetime import UTC, datetime
from pathlib import Path
from time import sleep
from typing import TextIO

import click
import psycopg

from infra.checkpoints import Signer, origin_of
from infra.cli.opening import opened_database
from infra.migrate import migrate
from infra.settings import Settings
from infra.signed_note import NoteError, VerifierKey
from infra.signing import signing_files
from infra.witness import LogForked, Witness, WitnessUnable

_KEY_FILE_BYTES_MAX = 64 * 1024


@click.command()
def key() -> None:
    """Print the public keys that check this log's checkpoints, the newest first."""
    settings = Settings.load()
    files = signing_files(settings)
    origin = files.origin()
    if origin is None:  # nothing was signed yet
        with opened_database() as (_, found):
            migrate(found.dsn)
            with psycopg.connect(found.dsn) as connection:
                origin = origin_of(connection)
    for each in files.known(origin):
        click.echo(str(each))


@click.command()
def checkpoint() -> None:
    """Sign the head of the log, if it continues what was signed before, and print the checkpoint."""
    with opened_database() as (settings, found):
        migrate(found.dsn)
        with psycopg.connect(found.dsn, autocommit=True) as connection:
            signer = Signer(signing_files(settings), settings.checkpoints.checkpoint_keep_h)
            signed = signer.sign(connection, datetime.now(UTC))
    if signed is None:
        click.echo("mawid: the log is empty: there is nothing to sign yet", err=True)
        raise SystemExit(2)
    click.echo(str(signed.note), nl=False)


class Verifiers(click.ParamType[list[VerifierKey]]):
    name = "key"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> list[VerifierKey]:
        told = str(value)
        try:
            if Path(told).is_file():
                with Path(told).open("rb") as file:
                    told = file.read(_KEY_FILE_BYTES_MAX).decode()
            return [VerifierKey.parse(line) for line in told.splitlines() if line.strip()]
        except (NoteError, OSError, UnicodeDecodeError) as error:
            self.fail(str(error), param, ctx)


class HttpUrl(click.ParamType[str]):
    name = "url"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not str(value).startswith(("http://", "https://")):
            self.fail(f"{value!r} does not begin with https:// or http://", param, ctx)
        return str(value)


@click.command()
@click.option("--url", required=True, type=HttpUrl(), help="Of the instance, such as https://mawid.example")
@click.option("--key", "keys", required=True, type=Verifiers(), help="A line of `mawid audit key`, or a file of them")
@click.option("--state", required=True, type=click.Path(dir_okay=False, path_type=Path), help="What is kept")
@click.option("--token-file", type=click.File("r"), help="An auditor's token; - is standard input")
@click.option("--every-s", type=click.IntRange(1, 86_400), default=60, show_default=True, help="Between two looks")
@click.option("--once", is_flag=True, help="One look, then the end")
def witness(
    *, url: str, keys: list[VerifierKey], state: Path, token_file: TextIO | None, every_s: int, once: bool
) -> None:
    """Keep and cosign the checkpoints of a log that only grows. Exit 1: it does not. 2: nothing can be said."""
    token = token_file.read(_KEY_FILE_BYTES_MAX).strip() if token_file is not None else None
    watching = Witness(url, keys, state, token)
    click.echo(f"witness {watching.verifier()}")
    while True:
        try:
            note, seen = watching.look()
        except LogForked as forked:
            click.echo(f"mawid: {forked}", err=True)
            raise SystemExit(1) from forked
        except WitnessUnable as unable:
            click.echo(f"mawid: {unable}", err=True)
            if once:
                raise SystemExit(2) from unable
        else:
            _, size, root = note.text.splitlines()
            before = "the first seen" if seen is None else f"continues the {seen} seen before"
            click.echo(f"{size} events, root {root}: {before}; cosigned")
        if once:
            return
        sleep(every_s)
