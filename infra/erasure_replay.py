"""Erasures that a restored database has forgotten are carried out again, before anything of it is served."""

from uuid import uuid4

import psycopg
import structlog

from domain.commands import RepeatErasure
from infra.bootstrap import OPERATOR, Instance
from infra.erasure_ledger import ErasureLedger

_AT_ONCE = 500
_log = structlog.get_logger("erasure")


def replay_erasures(instance: Instance, ledger: ErasureLedger) -> int:
    """How many were repeated, each dated as it was. Afterwards ledger and log agree. Raises ErasureLedgerError."""
    with psycopg.connect(instance.dsn, autocommit=True) as connection:
        ledger.keep(connection)
        forgotten = ledger.to_repeat(connection)
    start = uuid4().hex  # the same erasure may have to be repeated after another restore
    for first in range(0, len(forgotten), _AT_ONCE):
        futures = [
            instance.desk.submit(
                RepeatErasure(
                    **instance.stamp(OPERATOR, f"erasure/{start}/{erasure.person}", erasure.at),
                    request=erasure.request,
                    person=erasure.person,
                )
            )
            for erasure in forgotten[first : first + _AT_ONCE]
        ]
        for future in futures:
            receipt = future.result()
            if receipt.refusal is not None:
                raise RuntimeError(f"an erasure cannot be repeated: {receipt.refusal}")
    if forgotten:
        _log.warning("erasures that this database had forgotten were repeated", erasures=len(forgotten))
    return len(forgotten)
