"""Signs as the log grows: a checkpoint each second or each 1,000 events, whichever comes first."""

from datetime import UTC, datetime
from threading import Event
from time import monotonic
from typing import Any, Final

import psycopg
import structlog
from psycopg import Connection

from infra.checkpoints import Signer, record_refusal
from infra.kept_file import FileLocked
from infra.keys import KeyFileError
from infra.settings import Settings
from infra.signing_files import SigningFileError, SigningFiles
from infra.wholeness import InconsistentLog

_LOOK_S: Final = 0.1
_RECONNECT_S: Final = 2
_THIN_EVERY_S: Final = 3_600
#: After a refusal: to look for what has changed in a long log takes its time.
_REFUSED_S_MIN, _REFUSED_S_MAX = 10, 640

_log = structlog.get_logger("checkpoints")


def signing_files(settings: Settings) -> SigningFiles:
    return SigningFiles(settings.keys.signing_key_file, settings.checkpoints.checkpoint_folder)


class Signing:
    """In the system's clock, whatever clock the commands come by: a checkpoint is about what is stored."""

    def __init__(self, settings: Settings, dsn: str) -> None:
        self._limits = settings.checkpoints
        self._signer = Signer(signing_files(settings), settings.checkpoints.checkpoint_keep_h)
        self._dsn = dsn
        self._seen: tuple[int, bytes] = (0, b"")
        self._signed_at = self._thinned_at = float("-inf")
        self._pause_s = _REFUSED_S_MIN

    def run(self, stopping: Event) -> None:
        while not stopping.is_set():
            try:
                with psycopg.connect(self._dsn, autocommit=True) as connection:
                    while not stopping.wait(_LOOK_S):
                        self._look(connection, stopping)
            except psycopg.Error as error:
                if not stopping.wait(_RECONNECT_S):
                    _log.warning("not signed this time", error=type(error).__name__)

    def _look(self, connection: Connection[Any], stopping: Event) -> None:
        """Sign if it is time to; a log that stays as it is costs one short read."""
        [position, edge] = connection.execute("SELECT position, frontier FROM log_head").fetchone() or [0, b""]
        is_soon = monotonic() - self._signed_at < self._limits.checkpoint_every_ms / 1000
        if (position, edge) == self._seen or (
            is_soon and 0 <= position - self._seen[0] < self._limits.checkpoint_events_max
        ):
            return
        try:
            self._sign(connection)
        except FileLocked:
            return
        except InconsistentLog as refused:
            record_refusal(connection, refused, datetime.now(UTC))
            _log.error("the log is not signed any more", position=refused.position, because=str(refused))
        except (SigningFileError, KeyFileError) as error:
            _log.error("the log cannot be signed", because=str(error))
        else:
            self._pause_s = _REFUSED_S_MIN
            return
        stopping.wait(self._pause_s)
        self._pause_s = min(2 * self._pause_s, _REFUSED_S_MAX)

    def _sign(self, connection: Connection[Any]) -> None:
        signed = self._signer.sign(connection, datetime.now(UTC), wait_s=0)
        self._signed_at = monotonic()
        if signed is not None:
            self._seen = signed.checkpoint.size, signed.edge
        if monotonic() - self._thinned_at > _THIN_EVERY_S:
            self._signer.thin(connection, datetime.now(UTC))
            self._thinned_at = monotonic()
