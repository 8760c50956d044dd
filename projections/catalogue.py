"""Regions, services and offices with their live dates and counters, as the catalogue's facts made them."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple

from psycopg import Connection, Cursor
from psycopg.rows import TupleRow, class_row

from domain.events import (
    CountersAssigned,
    LiveDateAnnounced,
    OfficePaused,
    OfficeRegistered,
    OfficeResumed,
    RegionRegistered,
    ServiceRegistered,
)
from projections.log import Page
from projections.projection import expect_rows

#: One in thousands of a log: it is told apart before the `match`.
_FACTS = {
    RegionRegistered,
    ServiceRegistered,
    OfficeRegistered,
    LiveDateAnnounced,
    CountersAssigned,
    OfficePaused,
    OfficeResumed,
}


class Catalogue:
    name = "catalogue"
    version = 3
    indexes = ""
    ddl = """
        CREATE TABLE region (
            region  text PRIMARY KEY,
            name_ar text NOT NULL,
            name_en text NOT NULL
        );
        CREATE TABLE service (
            service       text PRIMARY KEY,
            sector        text NOT NULL,
            name_ar       text NOT NULL,
            name_en       text NOT NULL,
            audience      text NOT NULL,
            minutes       integer NOT NULL,
            electronic    boolean NOT NULL,
            needs_visit   boolean NOT NULL,
            border_number boolean NOT NULL,
            documents     text NOT NULL
        );
        CREATE TABLE office (
            office    text PRIMARY KEY,
            name_ar   text NOT NULL,
            name_en   text NOT NULL,
            city_ar   text NOT NULL,
            city_en   text NOT NULL,
            region    text NOT NULL,
            section   text NOT NULL,
            sectors   text[] NOT NULL,
            counters  integer NOT NULL,  -- as registered; `assignment` overrides it for a time
            latitude  double precision,
            longitude double precision,
            live_from date,
            paused    boolean NOT NULL DEFAULT false
        );
        CREATE TABLE assignment (
            office   text NOT NULL,
            position bigint NOT NULL,    -- of the fact: a later one overrides an earlier one
            since    timestamptz NOT NULL,
            until    timestamptz NOT NULL,
            counters integer NOT NULL,
            PRIMARY KEY (office, position)
        );
    """

    def fold(self, facts: Page, cursor: Cursor[TupleRow]) -> None:
        """One statement a fact: there are some hundreds of them in all."""
        for position, fact in facts:
            if type(fact.event) not in _FACTS:
                continue
            match fact.event:
                case RegionRegistered() as event:
                    cursor.execute(
                        "INSERT INTO region (region, name_ar, name_en) VALUES (%s, %s, %s)",
                        (event.region, event.name_ar, event.name_en),
                    )
                case ServiceRegistered() as event:
                    _register_service(event, cursor)
                case OfficeRegistered() as event:
                    _register_office(event, cursor)
                case LiveDateAnnounced() as event:
                    cursor.execute(
                        "UPDATE office SET live_from = %s WHERE office = %s", (event.live_from, event.office)
                    )
                    expect_rows(cursor, 1)
                case OfficePaused(office=office) | OfficeResumed(office=office):
                    is_paused = isinstance(fact.event, OfficePaused)
                    cursor.execute("UPDATE office SET paused = %s WHERE office = %s", (is_paused, office))
                    expect_rows(cursor, 1)
                case CountersAssigned() as event:
                    cursor.execute(
                        """INSERT INTO assignment (position, office, since, until, counters)
                           VALUES (%s, %s, %s, %s, %s)""",
                        (position, event.office, event.since, event.until, event.counters),
                    )


def _register_service(event: ServiceRegistered, cursor: Cursor[TupleRow]) -> None:
    cursor.execute(
        """INSERT INTO service (service, sector, name_ar, name_en, audience, minutes, electronic, needs_visit,
                                border_number, documents)
           VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)""",
        (
            event.service,
            event.sector,
            event.name_ar,
            event.name_en,
            event.audience,
            event.minutes,
            event.electronic,
            event.needs_visit,
            event.border_number,
            event.documents,
        ),
    )


def _register_office(event: OfficeRegistered, cursor: Cursor[TupleRow]) -> None:
    cursor.execute(
        """INSERT INTO office (office, name_ar, name_en, city_ar, city_en, region, section, sectors, counters,
                               latitude, longitude)
           VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)""",
        (
            event.office,
            event.name_ar,
            event.name_en,
            event.city_ar,
            event.city_en,
            event.region,
            event.section,
            list(event.sectors),
            event.counters,
            event.latitude,
            event.longitude,
        ),
    )


# -- queries: lists are short and never paged -------------------------------------------------------------------------


class Region(NamedTuple):
    region: str
    name_ar: str
    name_en: str


class Service(NamedTuple):
    service: str
    sector: str
    name_ar: str
    name_en: str
    audience: str  # citizen, resident or both
    minutes: int
    electronic: bool
    needs_visit: bool
    border_number: bool
    documents: str


class Office(NamedTuple):
    office: str
    name_ar: str
    name_en: str
    city_ar: str
    city_en: str
    region: str
    section: str  # men, women or mixed
    sectors: list[str]
    counters: int
    latitude: float | None
    longitude: float | None
    live_from: date | None
    paused: bool


class Coverage(NamedTuple):
    offices: int  # of a region, or that offer a service
    live: int  # of those, on the day asked about


def regions(connection: Connection[TupleRow]) -> Sequence[Region]:
    with connection.cursor(row_factory=class_row(Region)) as cursor:
        return cursor.execute("SELECT * FROM view_catalogue.region ORDER BY region").fetchall()


def services(connection: Connection[TupleRow], *, sector: str | None = None) -> Sequence[Service]:
    query = """
        SELECT * FROM view_catalogue.service
        WHERE %(sector)s::text IS NULL OR sector = %(sector)s ORDER BY service
    """
    with connection.cursor(row_factory=class_row(Service)) as cursor:
        return cursor.execute(query, {"sector": sector}).fetchall()


class Visit(NamedTuple):
    office_is_known: bool
    minutes: int | None  # None: the service is unknown
    is_offered: bool  # that it needs a visit, and the office serves its sector


def visit(connection: Connection[TupleRow], office: str, service: str) -> Visit:
    """What a visit to the office for the service would be."""
    query = """
        SELECT office IS NOT NULL, minutes, coalesce(needs_visit AND sector = ANY(sectors), false)
        FROM (VALUES (true)) AS asked
        LEFT JOIN view_catalogue.office ON office = %s
        LEFT JOIN view_catalogue.service ON service = %s
    """
    row = connection.execute(query, (office, service)).fetchone()
    assert row is not None
    return Visit(*row)


def coverage_of_regions(connection: Connection[TupleRow], live_on: date) -> dict[str, Coverage]:
    """How far the rollout has come in each region that has offices."""
    query = """
        SELECT region, count(*), count(*) FILTER (WHERE live_from <= %s) FROM view_catalogue.office GROUP BY region
    """
    return _coverage(connection, query, live_on)


def coverage_of_services(connection: Connection[TupleRow], live_on: date) -> dict[str, Coverage]:
    """Of each service that is offered anywhere."""
    query = """
        SELECT service, count(*), count(*) FILTER (WHERE live_from <= %s)
        FROM view_catalogue.service JOIN view_catalogue.office ON needs_visit AND sector = ANY(office.sectors)
        GROUP BY service
    """
    return _coverage(connection, query, live_on)


def _coverage(connection: Connection[TupleRow], query: str, live_on: date) -> dict[str, Coverage]:
    return {name: Coverage(offices, live) for name, offices, live in connection.execute(query, (live_on,))}


def offices(
    connection: Connection[TupleRow],
    *,
    now: datetime,
    office: str | None = None,
    region: str | None = None,
    service: str | None = None,
    live_on: date | None = None,
) -> Sequence[Office]:
    """With the counters of `now`. `service`: those that offer it; `live_on`: those that take bookings on that day."""
    query = """
        SELECT office.office, office.name_ar, office.name_en, city_ar, city_en, region, section, sectors,
               coalesce((SELECT assignment.counters FROM view_catalogue.assignment
                         WHERE assignment.office = office.office AND since <= %(now)s AND %(now)s < until
                         ORDER BY position DESC LIMIT 1), office.counters) AS counters,
               latitude, longitude, live_from, paused
        FROM view_catalogue.office
        WHERE (%(office)s::text IS NULL OR office = %(office)s)
          AND (%(region)s::text IS NULL OR region = %(region)s)
          AND (%(live_on)s::date IS NULL OR live_from <= %(live_on)s)
          AND (%(service)s::text IS NULL OR EXISTS (
                  SELECT FROM view_catalogue.service
                  WHERE service = %(service)s AND needs_visit AND sector = ANY(office.sectors)))
        ORDER BY office.office
    """
    asked = {"now": now, "office": office, "region": region, "service": service, "live_on": live_on}
    with connection.cursor(row_factory=class_row(Office)) as cursor:
        return cursor.execute(query, asked).fetchall()
