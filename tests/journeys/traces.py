"""Traces of persons in bytes: what is looked for, in every form it could have been written in, and where it is found.

All persons of a test share the beginnings of their numbers, mobiles and names, so that one look tells where to look
closer.
"""

import base64
import json
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from domain.identifiers import make_number

SEED = 47_110_000
NAME = "نورة المفقودة"
_EMPTY_PAGE = bytes(8192)
_ARABIC_DIGITS = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")
_PERSIAN_DIGITS = str.maketrans("0123456789", "۰۱۲۳۴۵۶۷۸۹")


def number_of(n: int) -> str:
    return make_number("citizen", SEED + n)


def mobile_of(n: int) -> str:
    return f"+966504711{n:03}"


def name_of(n: int) -> str:
    return f"{NAME} {n:03}"


def forms(text: str) -> dict[str, bytes]:
    """Name of the form → how the text looks in it, wherever in a longer text it stands."""
    spellings = {"": text, " ٠-٩": text.translate(_ARABIC_DIGITS), " ۰-۹": text.translate(_PERSIAN_DIGITS)}
    found: dict[str, bytes] = {}
    for digits, spelt in spellings.items():
        for encoding in ("utf-8", "utf-16-le", "utf-16-be"):
            raw = spelt.encode(encoding)
            found[f"{encoding}{digits}"] = raw
            found[f"hex of {encoding}{digits}"] = raw.hex().encode()
            found[f"HEX of {encoding}{digits}"] = raw.hex().upper().encode()
            for before in range(3):
                found[f"base64+{before} of {encoding}{digits}"] = _in_base64(raw, before)
        if not spelt.isascii():
            found[f"JSON escapes{digits}"] = json.dumps(spelt)[1:-1].encode()
    return found


class Needle(NamedTuple):
    """One form of many texts, which begin alike."""

    name: str
    beginning: bytes
    whole: tuple[bytes, ...]

    def is_in(self, haystack: bytes) -> bool:
        at = haystack.find(self.beginning)
        while at >= 0:
            if any(haystack[at : at + len(raw)] == raw for raw in self.whole):
                return True
            at = haystack.find(self.beginning, at + 1)
        return False


def needles(**texts: Sequence[str]) -> list[Needle]:
    """In each form, for each kind of text."""
    found = []
    for kind, spelt in texts.items():
        every = [forms(text) for text in spelt]
        for form in every[0]:
            whole = tuple(each[form] for each in every)
            found.append(Needle(f"{kind}, {form}", _common(whole), whole))
    return found


def of_persons(persons: Iterable[int]) -> list[Needle]:
    known = list(persons)
    return needles(
        number=[number_of(n) for n in known],
        mobile=[mobile_of(n).removeprefix("+966") for n in known],  # however its beginning is written
        name=[name_of(n) for n in known],
    )


def found_in(haystack: bytes, wanted: Iterable[Needle]) -> list[str]:
    return [needle.name for needle in wanted if needle.is_in(haystack)]


class Search:
    """Through files, of which most are the same as others, or as the last time, or have nothing in them yet."""

    def __init__(self, wanted: Sequence[Needle]) -> None:
        self._wanted = wanted
        self._clean: set[bytes] = set()

    def found_in(self, paths: Iterable[Path]) -> list[tuple[str, str]]:
        """File and form. Files may come and go meanwhile."""
        found = []
        for path in paths:
            if not path.is_file():
                continue
            content = path.read_bytes().replace(_EMPTY_PAGE, b"\0")
            digest = sha256(content).digest()
            if digest in self._clean:
                continue
            names = found_in(content, self._wanted)
            found += [(str(path), name) for name in names]
            if not names:
                self._clean.add(digest)
        return found


def _common(whole: Sequence[bytes]) -> bytes:
    first, last = min(whole), max(whole)
    return next((first[:n] for n in range(len(first), 0, -1) if last.startswith(first[:n])), b"")


def _in_base64(raw: bytes, before: int) -> bytes:
    """The part that says the same whatever stands around it, with `before` bytes of a group of three before it."""
    encoded = base64.b64encode(bytes(before) + raw)
    first = (before * 8 + 5) // 6
    last = (before + len(raw)) * 8 // 6
    return encoded[first:last]
