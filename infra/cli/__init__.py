"""The command line: `mawid <command>`. Each opens what it needs, says what it did, and leaves nothing running."""

import sys
from importlib import import_module
from typing import Final

import click

from infra.cli.failures import sentence_of

#: Command → where it is. Only the one asked for is imported: `mawid token` has no use for a web server.
COMMANDS: Final = {
    "demo": "infra.cli.playing:demo",
    "serve": "infra.cli.instance:serve",
    "migrate": "infra.cli.instance:migrate",
    "catalogue": "infra.cli.instance:catalogue",
    "token": "infra.cli.token:token",
    "publish": "infra.cli.offices:publish",
    "live": "infra.cli.offices:live",
    "daylist": "infra.cli.daylist:daylist",
    "import": "infra.cli.playing:import_",
    "simulate": "infra.cli.playing:simulate",
    "follow": "infra.cli.views:follow",
    "rebuild": "infra.cli.views:rebuild",
    "backup": "infra.cli.backup:backup",
    "restore": "infra.cli.backup:restore",
    "relay": "infra.cli.relay:relay",
    "consume": "infra.cli.consume:consume",
    "parked": "infra.cli.consume:parked",
    "audit": "infra.cli.audit:audit",
    "keys": "infra.cli.keys:keys",
    "policy": "infra.cli.policy:policy",
    "rush": "infra.cli.rush:rush",
    "settings": "infra.cli.token:settings",
    "doctor": "infra.cli.instance:doctor",
}


class Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="mawid", prog_name="mawid")
def mawid() -> None:
    """Mawid (موعد): an event-sourced reservation backend for public offices."""


def main() -> None:
    try:
        mawid(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except Exception as error:
        sentence = sentence_of(error)
        if sentence is None:
            raise
        click.echo(f"mawid: {sentence}", err=True)
        sys.exit(1)
