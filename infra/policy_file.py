"""MAWID_POLICY_FILE: dated tables of rules, read whole or refused whole, with the line and the reason.

[[policy]]
from = 2011-03-01        # holds from 00:00 of this day, office time, until the next table's day
horizon_days = 45        # what a table does not name stays as the table before it has it

[policy.channels.sms]
share_percent = 25
"""

import re
import tomllib
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from domain.identifiers import BOOKABLE_YEARS
from domain.policy import BUILT_IN
from domain.policy_numbers import InvalidRule, policy_of, refuse_invalid, rules_of

BYTES_MAX: Final = 64 * 1024
_TABLES, _FROM = "policy", "from"
_AT_LINE: Final = re.compile(
    r"(?P<problem>.*) \(at (?:line (?P<line>[0-9]+), column [0-9]+|end of document)\)", re.DOTALL
)


class PolicyFileError(ValueError):
    def __init__(self, path: Path, line: int | None, problem: str) -> None:
        self.path, self.line, self.problem = path, line, problem
        place = f"{path}, line {line}" if line is not None else str(path)
        super().__init__(f"{place}: {problem}")


class DatedRules(NamedTuple):
    since: date
    rules: dict[str, object]  # all of them, also those the table leaves as they were


def read_policies(path: Path) -> list[DatedRules]:
    """In the order of their dates. PolicyFileError: nothing of it counts."""
    text = _text_of(path)
    try:
        return _dated(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        found = _AT_LINE.fullmatch(str(error))
        problem, line = (found["problem"], found["line"]) if found is not None else (str(error), None)
        last = text.count("\n") + 1
        raise PolicyFileError(path, int(line) if line is not None else last, f"not TOML: {problem}") from error
    except _Wrong as error:
        raise PolicyFileError(path, _line_of(text, error.place), error.problem) from error


def _text_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(BYTES_MAX + 1)
    except OSError as error:
        raise PolicyFileError(path, None, f"cannot be read ({error.strerror})") from error
    if len(content) > BYTES_MAX:
        raise PolicyFileError(path, None, f"is larger than {BYTES_MAX} bytes")
    try:
        return content.decode().replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise PolicyFileError(path, line, "is not UTF-8") from error


# -- what it says -----------------------------------------------------------------------------------------------------

Place = Sequence[str | int]  # keys, and indices of tables, that lead to a value


class _Wrong(Exception):
    def __init__(self, place: Place, problem: str) -> None:
        self.place, self.problem = place, problem
        super().__init__(problem)


def _dated(document: Mapping[str, Any]) -> list[DatedRules]:
    for key in document:
        if key != _TABLES:
            raise _Wrong([key], f"{key}: only tables [[{_TABLES}]] are accepted here")
    tables = document.get(_TABLES, [])
    if not (isinstance(tables, list) and all(isinstance(table, dict) for table in tables)):
        raise _Wrong([_TABLES], f"{_TABLES}: tables [[{_TABLES}]] are accepted")
    dated: list[DatedRules] = []
    policy = BUILT_IN
    for index, table in enumerate(tables):
        since = _since(table, index, dated[-1].since if dated else None)
        rules = {name: value for name, value in table.items() if name != _FROM}
        try:
            refuse_invalid(rules)
        except InvalidRule as invalid:
            raise _Wrong([_TABLES, index, *invalid.path], str(invalid)) from invalid
        policy = policy_of(rules, before=policy)
        dated.append(DatedRules(since, rules_of(policy)))
    return dated


def _since(table: Mapping[str, Any], index: int, before: date | None) -> date:
    if _FROM not in table:
        raise _Wrong([_TABLES, index], f"{_FROM}: the day from which the table holds is missing")
    since = table[_FROM]
    place: Place = [_TABLES, index, _FROM]
    if not isinstance(since, date) or isinstance(since, datetime) or since.year not in BOOKABLE_YEARS:
        first, last = BOOKABLE_YEARS[0], BOOKABLE_YEARS[-1]
        raise _Wrong(place, f"{_FROM}: a date such as 2011-03-01, of the years {first} to {last}, is accepted")
    if before is not None and since <= before:
        raise _Wrong(place, f"{_FROM}: {since} is not after {before}, the date of the table above: they overlap")
    return since


# -- where it says it -------------------------------------------------------------------------------------------------


def _line_of(text: str, place: Place) -> int:
    """Of the statement that gives the value: the last of the shortest beginning of the file that has it."""
    lines = text.split("\n")
    statements = _statements(lines)
    found = bisect_left(
        statements, True, key=lambda statement: _has(tomllib.loads("\n".join(lines[: statement.last])), place)
    )
    return statements[found].first


class _Statement(NamedTuple):
    first: int
    last: int


def _statements(lines: Sequence[str]) -> list[_Statement]:
    """The parser tells no lines, but it takes whole statements only: also those that go over several lines."""
    statements, first = [], 1
    for number in range(1, len(lines) + 1):
        try:
            tomllib.loads("\n".join(lines[first - 1 : number]))
        except tomllib.TOMLDecodeError:
            continue
        statements.append(_Statement(first, number))
        first = number + 1
    return statements


def _has(value: Any, place: Place) -> bool:  # noqa: ANN401 - whatever TOML holds
    for step in place:
        there = step in value if isinstance(value, dict) else isinstance(step, int) and step < len(value)
        if not there:
            return False
        value = value[step]
    return True
