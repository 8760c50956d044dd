"""What `mawid serve` runs: the parent keeps the database up and granian's workers alive; each worker has its own desk,
follower and app. Start order: database, migrations, catalogue, workers; the stop order is the reverse.
"""

import os
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import ExitStack
from datetime import UTC, datetime
from threading import Event, Thread
from typing import Any

import structlog
from granian import Granian
from granian.constants import Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels

from infra import logs
from infra.bootstrap import Instance, open_instance, open_web
from infra.catalogue_loading import load_catalogue
from infra.migrate import migrate
from infra.postgres import Database
from infra.settings import PREFIX, Settings

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_log = structlog.get_logger("serve")


def prepare(settings: Settings, database: Database) -> list[str]:
    """Migrate, and load the catalogue into an empty log."""
    applied = migrate(database.dsn)
    with open_instance(settings, database.dsn) as instance:
        if instance.recorder.max_notification_id() is None:
            load_catalogue(instance, datetime.now(UTC))
    return applied


def serve(settings: Settings, database: Database) -> None:
    """Until SIGTERM or Ctrl-C: then requests under way are answered and the queues committed."""
    http = settings.http
    os.environ[f"{PREFIX}DATABASE_URL"] = database.dsn  # for the workers; the parent keeps its claim on the server
    server = Granian(
        "infra.processes:worker",
        factory=True,
        interface=Interfaces.ASGI,
        address=http.host,
        port=http.port,
        workers=http.workers,
        respawn_failed_workers=True,
        respawn_interval=0.1,
        workers_kill_timeout=http.request_s_max,
        http1_settings=HTTP1Settings(header_read_timeout=http.header_read_s_max * 1000),
        websockets=False,
        log_level=LogLevels.warning,
    )
    stopping = Event()
    watch = Thread(target=_keep_running, args=(database, stopping), name="database-watch", daemon=True)
    watch.start()
    try:
        server.serve()
    finally:
        stopping.set()
        watch.join()


def _keep_running(database: Database, stopping: Event) -> None:
    while not stopping.wait(0.2):
        if database.ensure_running():
            _log.warning("the embedded database had ended and was started again")


def worker() -> "Worker":
    """What granian imports in each worker process."""
    settings = Settings.load()
    logs.configure(settings.instance.log_format)
    return Worker(settings)


class Worker:
    """One API process as an ASGI app: its parts open with the lifespan and close with it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._parts = ExitStack()
        self._app: Callable[[Scope, Receive, Send], Awaitable[None]] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            assert self._app is not None
            await self._app(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        dsn = self._settings.storage.database_url
        instance: Instance = self._parts.enter_context(open_instance(self._settings, dsn))
        self._app = self._parts.enter_context(open_web(instance))
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self._parts.close()
        await send({"type": "lifespan.shutdown.complete"})
