"""The command line: `mawid <command>`. Each command opens what it needs, says what it did, and leaves nothing running."""

import sys

import click

from infra.cli import audit, instance, offices, playing, views
from infra.cli.opening import Failure
from infra.keys import KeyFileError
from infra.migrate import MigrationRefused
from infra.postgres import DatabaseUnavailable
from infra.processes import PortInUse
from infra.settings import SettingsError


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="mawid", prog_name="mawid")
def mawid() -> None:
    """Mawid (موعد): an event-sourced reservation backend for public offices."""


for module in (instance, offices, playing, views, audit):
    for command in module.COMMANDS:
        mawid.add_command(command)


def main() -> None:
    try:
        mawid(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except (Failure, SettingsError, DatabaseUnavailable, KeyFileError, MigrationRefused, PortInUse) as error:
        click.echo(f"mawid: {error}", err=True)
        sys.exit(1)
