"""The sweep: has what the clock has decided recorded where no command comes by to see to it. In system clock only: an
instance that takes its time from requests has no present to sweep by.
"""

import os
from datetime import UTC, datetime, timedelta
from threading import Event

import psycopg
import structlog

from domain.commands import SettleDay
from domain.due import SYSTEM
from domain.ports import OutcomeUnknown, Overloaded
from infra.bootstrap import Instance
from infra.desk import CommandFault
from projections.due import office_days

_log = structlog.get_logger("sweep")


class Sweep:
    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._limits = instance.settings.sweep

    def run(self, stopping: Event) -> None:
        while not stopping.wait(self._limits.sweep_every_s):
            try:
                self.once(datetime.now(UTC))
            except (psycopg.Error, Overloaded, OutcomeUnknown) as error:  # a view being made, a database away
                _log.warning("not swept this time", error=type(error).__name__)

    def once(self, now: datetime) -> int:
        """Office-days settled. What it records is dated when it was due, however late the sweep comes."""
        limits, instance = self._limits, self._instance
        since = now - timedelta(days=limits.sweep_back_days_max)
        with psycopg.connect(instance.dsn, autocommit=True) as connection:
            found = office_days(connection, since=since, now=now, limit=limits.sweep_office_days_max)
        settling = []
        for office, day in found:
            stamp = instance.stamp(SYSTEM, os.urandom(16).hex(), now)
            settling.append((office, day, instance.desk.submit(SettleDay(**stamp, office=office, day=day))))
        for office, day, future in settling:
            try:
                future.result()
            except CommandFault as fault:  # one office-day that cannot be settled leaves the others theirs
                _log.error("not settled", office=office, day=day.isoformat(), error=str(fault))
        return len(found)
