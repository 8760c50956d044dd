"""What `mawid serve` runs: the parent keeps up the database, the one process that folds the views, the relay's
where there is Kafka, and granian's workers, each with a desk and an app of its own. Start order: database, migrations,
catalogue, views, relay, workers; the stop order is the reverse.
"""

import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from threading import Event, Thread
from time import monotonic, sleep
from typing import Any

import structlog
from granian import Granian
from granian.constants import Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels

from api.server_sent import ENDING
from infra import logs
from infra.bootstrap import Instance, open_instance
from infra.catalogue_loading import load_catalogue
from infra.child_process import ChildProcess
from infra.erasure_replay import replay_erasures
from infra.following import following
from infra.migrate import migrate
from infra.policy_adoption import adopt_policies
from infra.policy_file import read_policies
from infra.postgres import Database, DatabaseUnavailable
from infra.relaying import relaying
from infra.self_check import NightlyCheck
from infra.settings import PREFIX, Settings
from infra.signing import Signing
from infra.sweep import Sweep
from infra.turn import forget_refusals
from infra.vault_upkeep import VaultUpkeep
from infra.web import open_web

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

FORGET_EVERY_S = 3_600
RESTART_EVERY_S = 2
#: After everything of a worker is closed it has so long to end by itself.
LEAVE_S = 1
#: The desk's thread wants the interpreter back after each answer of the database. While the event loop is busy it would
#: wait 5 ms with Python's default, several times the batch itself: bookings over HTTP rose 2.5-fold with this.
SWITCH_INTERVAL_S = 0.0002

_log = structlog.get_logger("serve")


def prepare(settings: Settings, database: Database) -> list[str]:
    """Migrate, repeat erasures, load the catalogue into an empty log, and adopt the policies of the file."""
    policies = read_policies(path) if (path := settings.instance.policy_file) is not None else []
    applied = migrate(database.dsn)
    with open_instance(settings, database.dsn) as instance:
        replay_erasures(instance, instance.erasures)
        if instance.recorder.max_notification_id() is None:
            load_catalogue(instance, datetime.now(UTC))
        adopt_policies(instance, policies, datetime.now(UTC))
    return applied


def serve(settings: Settings, database: Database, *, workers: int | None = None) -> None:
    """Until SIGTERM or Ctrl-C: then requests under way are answered and the queues committed."""
    http = settings.http
    Settings.hand_to_workers(
        database.dsn, settings.kafka.kafka_bootstrap
    )  # the parent keeps its claim on an embedded server
    server = Granian(
        "infra.processes:worker",
        factory=True,
        interface=Interfaces.ASGI,
        address=http.host,
        port=http.port,
        workers=workers or http.workers,
        respawn_failed_workers=True,
        respawn_interval=0.1,
        workers_kill_timeout=http.request_s_max,
        http1_settings=HTTP1Settings(header_read_timeout=http.header_read_s_max * 1000),
        websockets=False,
        log_level=LogLevels.warning,
    )
    with ExitStack() as parts:
        views, stopping = parts.enter_context(following(settings, database.dsn)), Event()
        kept: list[ChildProcess] = [views]
        if settings.kafka.kafka_bootstrap:
            kept.append(parts.enter_context(relaying(settings, database.dsn)))
        threads = [Thread(target=_keep_running, args=(settings, database, kept, stopping), name="watch", daemon=True)]
        instance = parts.enter_context(open_instance(settings, database.dsn))
        upkeep = VaultUpkeep(instance, instance.erasures)
        threads.append(Thread(target=upkeep.run, args=(stopping,), name="vault", daemon=True))
        if settings.instance.clock == "system":
            threads.append(Thread(target=Sweep(instance).run, args=(stopping,), name="sweep", daemon=True))
        threads.append(
            Thread(target=Signing(settings, database.dsn).run, args=(stopping,), name="checkpoints", daemon=True)
        )
        check = Thread(
            target=NightlyCheck(settings, database.dsn).run, args=(stopping,), name="self-check", daemon=True
        )
        for thread in (*threads, check):  # the check may take a minute, and nothing is lost if it does not end
            thread.start()
        try:
            server.serve()
        finally:
            stopping.set()
            for thread in threads:
                thread.join()


class PortInUse(Exception):
    def __init__(self, host: str, port: int, reason: str) -> None:
        super().__init__(f"{host}:{port} cannot be listened on ({reason}): set {PREFIX}PORT to another port")


def refuse_used_port(settings: Settings) -> None:
    """Said before anything is started, in one sentence."""
    host, port = settings.http.host, settings.http.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((host, port))
        except OSError as error:
            raise PortInUse(host, port, error.strerror or str(error)) from error


def web_links(settings: Settings) -> list[str]:
    root = f"http://{settings.http.host}:{settings.http.port}"
    return [
        f"موعد      {root}/",
        f"Mawid     {root}/en/",
        f"API       {root}/docs · {root}/openapi.json",
        f"Health    {root}/health/ready · metrics {root}/metrics",
        "Token     mawid token --role operator · Ctrl-C stops everything",
    ]


def _keep_running(settings: Settings, database: Database, kept: Sequence[ChildProcess], stopping: Event) -> None:
    """The parent's own work: database and processes kept up, each hour the refusals forgotten that had their day."""
    forgot_at = restarted_at = 0.0
    while not stopping.wait(0.2):
        try:
            if database.ensure_running():
                _log.warning("the embedded database had ended and was started again")
        except DatabaseUnavailable as error:
            _log.error("the embedded database does not start again", error=str(error))
            stopping.wait(RESTART_EVERY_S)
            continue
        if monotonic() - restarted_at > RESTART_EVERY_S:
            for process in kept:
                if (ended := process.ensure_running()) is not None:
                    restarted_at = monotonic()
                    _log.error("a process was started again", because=ended)
        if monotonic() - forgot_at > FORGET_EVERY_S:
            forgot_at = monotonic()
            forget_refusals(database.dsn, settings.desk.refusal_keep_h)


def _leave() -> None:
    """A thread that readings were made in ends with the task that began it. One that was begun while the loop stopped
    waits for work for ever, and the interpreter for it: all that is ours is closed by now, so nothing is lost."""
    sleep(LEAVE_S)
    os._exit(0)


def worker() -> "Worker":
    """What granian imports in each worker process."""
    settings = Settings.load()
    logs.configure(settings.instance.log_format)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
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
        self._end_streams_on_signal()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self._parts.close()
        await send({"type": "lifespan.shutdown.complete"})
        Thread(target=_leave, name="leave", daemon=True).start()

    @staticmethod
    def _end_streams_on_signal() -> None:
        """granian waits for every answer under way, and lets nobody know: an open stream would hold it up until it is
        killed. The event loop hears of signals by another way, so granian's own handlers are called as before."""

        def end(*_: object) -> None:
            ENDING.has_come = True

        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, end)
