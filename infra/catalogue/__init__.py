"""The catalogue Mawid starts with, read from the files beside this one (README.md says where they come from)."""

import csv
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files
from io import StringIO

from domain.opening_hours import Holiday, parse_holidays
from infra.catalogue.load_model import LoadModel, parse_load_model

__all__ = [
    "LoadModel",
    "OfficeRow",
    "RegionRow",
    "SectorRow",
    "ServiceRow",
    "holidays",
    "load_model",
    "offices",
    "regions",
    "sectors",
    "services",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionRow:
    region: str  # code, such as TB
    name_ar: str
    name_en: str
    capital_ar: str
    capital_en: str
    offices: int
    offices_in_first_45: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SectorRow:
    sector: str
    name_ar: str
    name_en: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRow:
    service: str
    sector: str
    name_ar: str
    name_en: str
    audience: str  # citizen, resident or both
    counter_minutes: int  # time at the counter; a slot is longer
    minutes: int  # 15, 30 or 45
    electronic: bool
    needs_visit: bool  # False: nothing to book
    border_number: bool  # a visitor may book with one: its documents ask for it
    documents: str
    evidence: str  # seen or inferred


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficeRow:
    office: str
    name_ar: str
    name_en: str
    city_ar: str
    city_en: str
    geoname_id: int | None
    region: str
    latitude: float | None
    longitude: float | None
    section: str  # men, women or mixed
    kind: str  # main, branch or women
    counters: int
    rollout_wave: int
    live_from: date
    in_first_45: bool  # one of the 45 sites of the first year


@cache
def regions() -> tuple[RegionRow, ...]:
    return tuple(
        RegionRow(
            region=row["code"],
            name_ar=row["name_ar"],
            name_en=row["name_en"],
            capital_ar=row["capital_ar"],
            capital_en=row["capital_en"],
            offices=int(row["offices"]),
            offices_in_first_45=int(row["offices_in_first_45"]),
        )
        for row in _rows("regions.csv")
    )


@cache
def sectors() -> tuple[SectorRow, ...]:
    return tuple(SectorRow(**row) for row in _rows("sectors.csv"))


@cache
def services() -> tuple[ServiceRow, ...]:
    return tuple(
        ServiceRow(
            service=row["service_id"],
            sector=row["sector"],
            name_ar=row["name_ar"],
            name_en=row["name_en"],
            audience=row["audience"],
            counter_minutes=int(row["counter_minutes"]),
            minutes=int(row["slot_minutes"]),
            electronic=row["electronic_2011"] == "1",
            needs_visit=row["appointment"] == "1",
            border_number="border number" in row["documents"],
            documents=row["documents"],
            evidence=row["evidence"],
        )
        for row in _rows("services.csv")
    )


@cache
def offices() -> tuple[OfficeRow, ...]:
    return tuple(
        OfficeRow(
            office=row["office_id"],
            name_ar=row["name_ar"],
            name_en=row["name_en"],
            city_ar=row["city_ar"],
            city_en=row["city_en"],
            geoname_id=int(row["geoname_id"]) if row["geoname_id"] else None,
            region=row["region_code"],
            latitude=float(row["lat"]) if row["lat"] else None,
            longitude=float(row["lon"]) if row["lon"] else None,
            section=row["section"],
            kind=row["kind"],
            counters=int(row["counters"]),
            rollout_wave=int(row["rollout_wave"]),
            live_from=date.fromisoformat(row["live_from"]),
            in_first_45=row["in_first_45"] == "1",
        )
        for row in _rows("offices.csv")
    )


@cache
def holidays() -> tuple[Holiday, ...]:
    return parse_holidays(_rows("holidays.csv"))


@cache
def load_model() -> LoadModel:
    return parse_load_model(_text("load-params.json"))


def _rows(name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(_text(name), newline=""), strict=True))


def _text(name: str) -> str:
    return files(__name__).joinpath(name).read_text(encoding="utf-8")
