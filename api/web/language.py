"""The two languages: their words, digits, dates of both calendars, and direction."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from importlib.resources import files
from typing import Any, Final, Literal

from domain.calendar import RIYADH, hijri

_ARABIC_DIGITS: Final = str.maketrans("0123456789,", "٠١٢٣٤٥٦٧٨٩٬")


@dataclass(frozen=True)
class Language:
    code: Literal["ar", "en"]
    direction: Literal["rtl", "ltr"]
    words: Mapping[str, Any]

    def number(self, number: int) -> str:
        """With its thousands apart: 20,000 or ٢٠٬٠٠٠."""
        return self.digits(f"{number:,}")

    def digits(self, text: str) -> str:
        return text.translate(_ARABIC_DIGITS) if self.code == "ar" else text

    def weekday(self, day: date) -> str:
        return str(self.words["weekdays"][day.weekday()])

    def day(self, day: date) -> str:
        return self._dated(day.day, self.words["months"][day.month - 1], day.year)

    def hijri(self, day: date) -> str:
        """Empty outside the published tables."""
        found = hijri(day)
        if found is None:
            return ""
        year, month, day_of_month = map(int, found.split("-"))
        return f"{self._dated(day_of_month, self.words['hijri_months'][month - 1], year)}{self.words['hijri_era']}"

    def time(self, instant: datetime) -> str:
        return self.digits(instant.astimezone(RIYADH).strftime("%H:%M:%S"))

    def reason(self, reason: str) -> str:
        """Why an office is closed on a day."""
        return str(self.words["reasons"][reason])

    def rule(self, name: str) -> str:
        """What a number of the booking policy is about."""
        return str(self.words["rules"][name])

    def _dated(self, day: int, month: str, year: int) -> str:
        return f"{self.digits(str(day))} {month} {self.digits(str(year))}"


def _words(code: str) -> dict[str, Any]:
    return tomllib.loads((files("api.web") / "wording" / f"{code}.toml").read_text("utf-8"))


ARABIC: Final = Language("ar", "rtl", _words("ar"))
ENGLISH: Final = Language("en", "ltr", _words("en"))
