"""An office on a real database, for tests of the write side."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import date, datetime, timedelta
from itertools import count
from typing import Any
from uuid import uuid4

import psycopg

from domain import commands
from domain.calendar import RIYADH
from domain.commands import Book, Command
from domain.identifiers import make_number
from infra.bootstrap import OPERATOR, Instance, open_instance
from infra.settings import Settings

ADVANCE = datetime(2011, 1, 1, 9, tzinfo=RIYADH)
MONDAY = datetime(2011, 1, 3, 8, tzinfo=RIYADH)


class OfficeOnADatabase:
    """One office, published for two days, decided at ADVANCE unless told otherwise."""

    def __init__(self, settings: Settings, parts: ExitStack, *, counters: int = 2, prepare: bool = True) -> None:
        self._settings, self._parts, self._keys = settings, parts, count(1)
        self._run = uuid4().hex
        self._own = parts.enter_context(ExitStack())
        self.instance: Instance = self._own.enter_context(open_instance(settings, settings.storage.database_url))
        self.start = MONDAY
        if prepare:
            self._given_the_office(counters)

    def _given_the_office(self, counters: int) -> None:
        names: dict[str, Any] = {
            "name_ar": "م",
            "name_en": "o",
            "city_ar": "م",
            "city_en": "c",
            "region": "TB",
            "section": "mixed",
        }
        self.submit(self.command(commands.RegisterOffice, office="CA-TB-01", counters=counters, **names))
        self.submit(self.command(commands.AnnounceLiveDate, office="CA-TB-01", live_from=date(2010, 11, 27)))
        self.given_a_service("SV-CA-02")
        for n in range(2):
            day = MONDAY.date() + timedelta(days=n)
            self.submit(self.command(commands.PublishDay, office="CA-TB-01", day=day))

    def given_a_service(self, service: str, minutes: int = 15) -> None:
        fields: dict[str, Any] = {
            "sector": "civil_affairs",
            "name_ar": "خ",
            "name_en": "s",
            "audience": "both",
            "documents": "",
        }
        flags: dict[str, Any] = {"electronic": True, "needs_visit": True, "border_number": False}
        self.submit(self.command(commands.RegisterService, service=service, minutes=minutes, **fields, **flags))

    def beside(self) -> "OfficeOnADatabase":
        """Another process's desk on the same log."""
        return OfficeOnADatabase(self._settings, self._parts, prepare=False)

    def close(self) -> None:
        self._own.close()

    # -- commands ----------------------------------------------------------------------------------------------------

    def command(self, kind: type[Command], *, at: datetime = ADVANCE, **asked: Any) -> Command:
        key = f"{self._run}/{next(self._keys)}"
        return kind(**self.instance.stamp(OPERATOR, key, at, repr((kind, at, asked))), **asked)

    def booking(
        self,
        seed: int,
        *,
        start: datetime = MONDAY,
        at: datetime = ADVANCE,
        channel: str = "portal",
        service: str = "SV-CA-02",
        key_of: Command | None = None,
        **told: str,
    ) -> Book:
        stamp = self.instance.stamp(OPERATOR, f"{self._run}/{next(self._keys)}", at, repr((seed, start, service)))
        if key_of is not None:
            stamp["command_id"] = key_of.command_id
        return Book(
            **stamp,
            booking=self.instance.booking_id(stamp["command_id"]),
            office="CA-TB-01",
            service=service,
            starts_at=start,
            beneficiary=self.beneficiary(seed, **told),
            channel=channel,
        )

    def beneficiary(self, seed: int, **told: str) -> commands.Beneficiary:
        return self.instance.beneficiary(make_number("citizen", seed), **told)

    def start_after(self, n: int) -> datetime:
        """The n-th published start: 24 a day."""
        return MONDAY + timedelta(days=n // 24, minutes=15 * (n % 24))

    def submit(self, command: Command):
        return self.instance.desk.submit(command).result(20)

    @contextmanager
    def desk_held(self) -> Iterator[None]:
        """Nobody can append meanwhile: what is submitted becomes one batch behind the first."""
        with psycopg.connect(self.instance.dsn) as connection:
            connection.execute("SELECT FROM log_head FOR UPDATE")
            yield

    # -- what is in the database ---------------------------------------------------------------------------------------

    def head(self) -> int:
        return self.instance.recorder.max_notification_id() or 0

    def positions(self) -> list[int]:
        return [position for (position,) in self._rows("SELECT position FROM log ORDER BY position")]

    def topics_of(self, booking: str) -> list[str]:
        return [topic for (topic,) in self._rows(f"SELECT type FROM log WHERE booking = '{booking}' ORDER BY position")]

    def count(self, table: str) -> int:
        [(rows,)] = self._rows(f"SELECT count(*) FROM {table}")
        return rows

    def all_rows_outside_the_vault(self) -> list[bytes]:
        tables = self._rows(
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables"
            " WHERE schemaname NOT IN ('vault', 'pg_catalog', 'information_schema')"
        )
        found = []
        with psycopg.connect(self.instance.dsn) as connection:
            for (table,) in tables:
                for (row,) in connection.execute(f"SELECT t::text FROM {table} t"):
                    found.append(row.encode())
        states = self._rows("SELECT state FROM log")
        return found + [state for (state,) in states]

    def _rows(self, query: str) -> list[tuple]:
        with psycopg.connect(self.instance.dsn) as connection:
            return connection.execute(query).fetchall()
