"""The API of one process: a pool to read the views by, and the app on it. Another process keeps the views up."""

import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import fields
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from typing import Any
from uuid import uuid4

import structlog
from psycopg_pool import ConnectionPool

from api import health
from api.app import create_app
from api.edge import App, Edge
from api.services import Checked, Limits, Relayed, Services, Signing, Unauthenticated
from domain.commands import Caller, RecordOperation
from domain.ports import PersonFile, Receipt
from infra.bootstrap import VIEWS, Instance
from infra.catalogue import sectors
from infra.erasure_ledger import ErasureLedger, ErasureLedgerError
from infra.operation import SYSTEM, HourWatched, OperationWatch, Watched
from infra.person_file import open_person_file
from infra.published_checkpoints import PublishedCheckpoints
from infra.reference_keys import reference_hash
from infra.relay_position import relayed
from infra.tokens import InvalidToken, TokenKeyFile, TokenReader
from infra.vault import Vault
from projections.lane import followed
from projections.log import head
from projections.projection import lag_s, position_of

_log = structlog.get_logger("web")


@contextmanager
def open_web(instance: Instance) -> Iterator[App]:
    """In the system's clock it watches itself too: facts under another clock would be of hours that never were."""
    with open_services(instance) as services:
        app = create_app(services)
        if instance.settings.instance.clock == "request":
            yield app
            return
        watch = OperationWatch(_watched(services, app), partial(_record_operation, instance, uuid4().hex[:8]))
        with watch.running():
            yield app


def _watched(services: Services, app: Edge) -> Watched:
    def lag() -> float:
        _, views = services.reached()
        with services.pool.connection() as connection:
            return lag_s(connection, views.keys())

    return Watched(
        is_ready=lambda: health.ready(services).status_code == HTTPStatus.OK,
        lag_s=lag,
        confirmations=app.metrics.confirmations,
        now=services.now,
    )


def _record_operation(instance: Instance, process: str, hour: HourWatched) -> "Future[Receipt]":
    stamp = instance.stamp(SYSTEM, f"{hour.since.isoformat()}/{process}", datetime.now(UTC))
    return instance.desk.submit(RecordOperation(**stamp, process=process, **hour._asdict()))


@contextmanager
def open_services(instance: Instance) -> Iterator[Services]:
    """All that the API needs of the views and of the instance."""
    settings, dsn = instance.settings, instance.dsn
    storage, http = settings.storage, settings.http
    pool: ConnectionPool[Any] = ConnectionPool(
        dsn,
        min_size=storage.pool_connections_min,
        max_size=storage.pool_connections_max,
        timeout=storage.pool_wait_ms_max / 1000,
        kwargs={"autocommit": True},
        check=ConnectionPool.check_connection,
        open=True,
    )
    try:
        head_at_start = instance.recorder.max_notification_id() or 0
        token_key = instance.keys.token.public_key()
        tokens = TokenReader(
            token_key,
            clock_skew_s=settings.callers.clock_skew_s,
            replaced=TokenKeyFile(settings.keys.token_key_file, token_key).replaced,
        )
        yield Services(
            desk=instance.desk,
            pool=pool,
            authenticate=lambda token: _caller_of(tokens, token),
            command_id=instance.keys.command_id,
            fingerprint=instance.keys.fingerprint,
            lookup=instance.keys.number_lookup,
            person_of=lambda lookup: _person_of(instance.vault, pool, lookup),
            person_file=lambda person, who, why: _person_file(instance.vault, pool, person, who, why),
            keep_erasures=lambda: _keep_erasures(instance.erasures, pool),
            booking_id=instance.booking_id,
            reference_of=instance.reference_of,
            reference_at_hand=instance.references.is_at_hand,
            reference_hash=reference_hash,
            region_of=lambda office: _one(pool, "SELECT region FROM view_catalogue.office WHERE office = %s", office),
            offices=lambda: _column(pool, "SELECT office FROM view_catalogue.office ORDER BY office"),
            now=lambda: datetime.now(UTC),
            clock=settings.instance.clock,
            checkpoints=PublishedCheckpoints(),
            signing=lambda: _signing(pool),
            relayed=lambda: _relayed(pool) if settings.kafka.kafka_bootstrap else None,
            lagging=lambda: _lagging(pool, head_at_start),
            stopped=lambda: _stopped(pool),
            reached=lambda: _reached(pool),
            checked=lambda: _checked(pool),
            sectors=[(sector.sector, sector.name_ar, sector.name_en) for sector in sectors()],
            queue_depth=instance.desk.waiting,
            limits=Limits(**{limit.name: getattr(http, limit.name) for limit in fields(Limits)}),
        )
    finally:
        pool.close()


def _caller_of(tokens: TokenReader, token: str) -> Caller:
    try:
        claims = tokens.read(token, time.time())
    except InvalidToken as error:
        raise Unauthenticated(error.reason) from error
    return Caller(
        role=claims.role.value,
        subject=claims.subject,
        office=claims.office,
        region=claims.region,
        lookup=claims.number_lookup,
        token=claims.jti,
    )


def _person_of(vault: Vault, pool: "ConnectionPool[Any]", lookup: bytes) -> str | None:
    with pool.connection() as connection:
        return vault.find_person(connection, lookup)


def _person_file(vault: Vault, pool: "ConnectionPool[Any]", person: str, who: str, why: str) -> PersonFile | None:
    with pool.connection() as connection:
        return open_person_file(vault, connection, person, who, why)


def _keep_erasures(ledger: ErasureLedger, pool: "ConnectionPool[Any]") -> None:
    """The erasure is in the log and done: what keeps it from the ledger now is tried again by the upkeep."""
    try:
        with pool.connection() as connection:
            ledger.keep(connection)
    except ErasureLedgerError as error:
        _log.error("an erasure is not in the ledger yet", error=str(error))


def _one(pool: "ConnectionPool[Any]", query: str, asked: object) -> str | None:
    with pool.connection() as connection:
        row = connection.execute(query, (asked,)).fetchone()
    return row[0] if row is not None else None


def _column(pool: "ConnectionPool[Any]", query: str) -> list[str]:
    with pool.connection() as connection:
        return [row[0] for row in connection.execute(query)]


def _reached(pool: "ConnectionPool[Any]") -> tuple[int, dict[str, int]]:
    with pool.connection() as connection:
        return head(connection), {view: position_of(connection, view).position for view in VIEWS}


def _stopped(pool: "ConnectionPool[Any]") -> dict[str, str]:
    """Views that no process folds: it has ended and is not back yet, or has met a fact that cannot be folded."""
    with pool.connection() as connection:
        missing = sorted(set(VIEWS) - followed(connection, VIEWS))
        positions = {view: position_of(connection, view).position for view in missing}
    return {view: f"no process folds it; it stands at position {position}" for view, position in positions.items()}


def _signing(pool: "ConnectionPool[Any]") -> Signing:
    query = "SELECT coalesce((SELECT max(size) FROM checkpoint), 0), EXISTS (SELECT FROM checkpoint_refusal)"
    with pool.connection() as connection:
        [row] = connection.execute(query).fetchall()
    return Signing(*row)


def _relayed(pool: "ConnectionPool[Any]") -> Relayed:
    with pool.connection() as connection:
        position, problem = relayed(connection)
    return Relayed(position, is_stopped=problem is not None)


def _checked(pool: "ConnectionPool[Any]") -> dict[str, Checked]:
    query = """
        SELECT DISTINCT ON (part) part, problem IS NOT NULL, extract(epoch FROM now() - checked_at)::double precision
        FROM self_check ORDER BY part, id DESC
    """
    with pool.connection() as connection:
        return {part: Checked(has_problem, age_s) for part, has_problem, age_s in connection.execute(query)}


def _lagging(pool: "ConnectionPool[Any]", head: int) -> dict[str, int]:
    """Views that have not reached `head`, and by how many events."""
    with pool.connection() as connection:
        positions = {view: position_of(connection, view).position for view in VIEWS}
    return {view: head - position for view, position in positions.items() if position < head}
