"""Another signing, token or command key in the place of one; also the way out when one is lost and no backup is left.
A reference key is only ever added.

The vault's key is rotated by infra/vault_rotation.py.
"""

from datetime import datetime
from time import monotonic, sleep
from typing import Any, Final

from psycopg import Connection

from infra.checkpoints import Signed, Signer
from infra.kept_file import write_new
from infra.keys import add_reference_key, file_content, key_id, read_key, replace_key
from infra.settings import Settings
from infra.signed_note import verifier_key
from infra.signing import signing_files
from infra.signing_files import SigningFiles

_OTHERS_WAIT_S: Final = 2.0
_LOOK_S: Final = 0.05
_OTHERS: Final = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""


class KeyRotationError(Exception):
    """One sentence with the reason and the way out."""


def rotate_signing(settings: Settings, connection: Connection[Any], now: datetime) -> Signed | None:
    """From here on both keys sign, until `end_signing_rotation`. The first checkpoint of both; None: an empty log.

    A running signer reads its keys for each checkpoint. Connection in autocommit.
    """
    files = signing_files(settings)
    signer = Signer(files, settings.checkpoints.checkpoint_keep_h)
    if files.key.exists():
        signer.sign(connection, now)  # that the log is what was signed, the old key says for the last time alone
    with files.locked(wait_s=10):
        if files.key.exists():
            _keep_previous(files)
        replace_key("signing", files.key)
    return signer.sign(connection, now)


def _keep_previous(files: SigningFiles) -> None:
    present = file_content("signing", files.key)
    if not files.previous_key.exists():
        write_new(files.previous_key, present)
    elif file_content("signing", files.previous_key) != present:  # else: a rotation was killed right here
        raise KeyRotationError(
            f"The log is still signed by the key before, too ({files.previous_key}): once those who verify know the "
            "new one, run `mawid keys rotate signing --end`, then rotate again."
        )


def end_signing_rotation(settings: Settings) -> None:
    """The key before signs no more; what it has signed stays valid."""
    files = signing_files(settings)
    with files.locked(wait_s=10):
        if not files.previous_key.exists():
            raise KeyRotationError("One key signs the log: there is no rotation to end.")
        kept = files.kept()
        if kept is not None:
            newest = verifier_key(kept.checkpoint.origin, files.keys()[0])
            if not any(line.is_by(newest) for line in kept.note.signatures):
                raise KeyRotationError(
                    "The new key has not signed the log yet: run `mawid audit checkpoint`, then the same again."
                )
        files.previous_key.unlink()


def rotate_token(settings: Settings) -> None:
    """Every token made before is refused, by running processes too."""
    replace_key("token", settings.keys.token_key_file)


def rotate_command(settings: Settings, connection: Connection[Any]) -> None:
    """No command of before is recognised when it comes again. Connection in autocommit.

    Two processes with different keys would not recognise each other's commands: nobody else may be at work.
    """
    _refuse_company(connection)
    path = settings.keys.command_key_file
    replace_key("command", path)
    record_command_key(connection, key_id("command", read_key("command", path)), is_new=True)


def add_reference(settings: Settings, connection: Connection[Any]) -> None:
    """New bookings have references of a new key; those of before stay. Connection in autocommit.

    A process without the new key could not tell the references that it makes: nobody else may be at work.
    """
    _refuse_company(connection)
    add_reference_key(settings.keys.reference_key_file)


def _refuse_company(connection: Connection[Any]) -> None:
    until = monotonic() + _OTHERS_WAIT_S  # who has just left is seen for a moment
    while connection.execute(_OTHERS).fetchone() != (0,):
        if monotonic() > until:
            raise KeyRotationError("Other programs are at work on this database: stop `mawid serve` and them first.")
        sleep(_LOOK_S)


def record_command_key(connection: Connection[Any], known: str, *, is_new: bool) -> bool:
    """Whether the log's commands are named with this key. The first key that is told of is taken, and a new one."""
    connection.execute(
        "INSERT INTO key_of_log (name, key_id) VALUES ('command', %s) ON CONFLICT (name) "
        + ("DO UPDATE SET key_id = excluded.key_id" if is_new else "DO NOTHING"),
        (known,),
    )
    return connection.execute("SELECT key_id FROM key_of_log WHERE name = 'command'").fetchone() == (known,)
