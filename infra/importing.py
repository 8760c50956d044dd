"""`mawid import FILE`: the lines of a bulk, read from a file and decided as the operator of this machine."""

import asyncio
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import IO, Any, Self

import msgspec

from api.bulk import Bulk, numbered
from api.callers import Callers
from api.references import References
from api.runner import Runner
from infra.bootstrap import OPERATOR, Instance
from infra.playing import OnProgress, Standing
from infra.web import open_services

LINES_AT_ONCE = 512
ACCEPTED_BELOW = 300  # HTTP status
_encode = msgspec.json.Encoder().encode


@dataclass
class Imported:
    read: int = 0
    accepted: int = 0
    replayed: int = 0  # of both: answered before, so that they changed nothing now
    refused: Counter[str] = field(default_factory=Counter)  # by the last part of the problem's type
    rejects: Path | None = None  # None: nothing was refused
    seconds: float = 0.0

    def lines(self) -> Iterator[str]:
        refused = self.refused.total()
        yield f"read {self.read}, accepted {self.accepted}, refused {refused}, of both replayed {self.replayed}"
        yield from (f"refused {count}: {reason}" for reason, count in self.refused.most_common())
        if self.rejects is not None:
            yield f"refused lines, with number and reason, are in {self.rejects}"
        yield f"{self.seconds:.1f} s, {self.read / max(self.seconds, 1e-9):.0f} lines/s"


def import_lines(instance: Instance, file: Path, *, on_progress: OnProgress | None = None) -> Imported:
    """`file` may be `-`. Refused lines go to a file beside it, readable by its owner only; the rest goes on."""
    started = time.monotonic()
    is_stdin = str(file) == "-"
    rejects = Path("stdin.rejects.ndjson") if is_stdin else file.with_name(f"{file.name}.rejects.ndjson")
    with ExitStack() as parts:
        lines = sys.stdin.buffer if is_stdin else parts.enter_context(file.open("rb"))
        services = parts.enter_context(open_services(instance))
        refused = parts.enter_context(_Rejects(rejects))
        callers = Callers(services)
        bulk = Bulk(services, callers, Runner(services, callers, References(services)))
        imported = Imported()
        asyncio.run(
            _import(bulk, lines, services.limits.bulk_line_bytes_max, imported, refused, on_progress=on_progress)
        )
    imported.rejects = rejects if imported.refused else None
    imported.seconds = time.monotonic() - started
    return imported


async def _import(
    bulk: Bulk,
    lines: IO[bytes],
    line_bytes_max: int,
    imported: Imported,
    refused: "_Rejects",
    *,
    on_progress: OnProgress | None,
) -> None:
    each = numbered(lines, line_bytes_max)
    while some := list(islice(each, LINES_AT_ONCE)):
        answers = await bulk.answers_of(some, OPERATOR, None)
        for (_, line), answer in zip(some, answers, strict=True):
            imported.read += 1
            imported.replayed += answer.get("replayed", False)
            if answer["status"] < ACCEPTED_BELOW:
                imported.accepted += 1
            else:
                imported.refused[answer["body"]["type"].rpartition("/")[2]] += 1
                refused.add(answer, line)
        if on_progress is not None:
            on_progress(Standing("lines", imported.read))


class _Rejects:
    """Made with the first refused line; what an earlier run left is replaced."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[bytes] | None = None

    def __enter__(self) -> Self:
        self._path.unlink(missing_ok=True)
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, answer: dict[str, Any], line: bytes | None) -> None:
        if self._file is None:
            self._file = os.fdopen(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
        text = line.decode(errors="backslashreplace").rstrip("\n") if line is not None else None
        self._file.write(_encode({"line": answer["line"], "problem": answer["body"], "text": text}) + b"\n")
