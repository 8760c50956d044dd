"""Log lines on standard error: key=value text or JSON, of ours and of the libraries alike."""

import logging
import sys
from collections.abc import Mapping, Sequence
from typing import Literal

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

PERSONAL = {"number", "mobile", "name", "token", "authorization", "reference"}
MASK = "****"
# A line must stay a line, and a terminal must not obey it; the renderer itself sees to the line feed.
CONTROLS = {code: f"\\x{code:02x}" for code in [*range(32), *range(127, 160), 0x2028, 0x2029] if code != ord("\n")}


def configure(log_format: Literal["text", "json"]) -> None:
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        mask_personal,
        structlog.processors.format_exc_info,  # the plain one: a traceback with local variables would show persons
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_renderers(log_format)],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)
    # A dozen lines for each connection, and for each try while a broker is away: the relay says it in one.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)


def _renderers(log_format: Literal["text", "json"]) -> list[Processor]:
    if log_format == "json":
        return [structlog.processors.JSONRenderer(ensure_ascii=False)]
    return [escape_controls, structlog.processors.LogfmtRenderer(key_order=["at", "level", "event"])]


def escape_controls(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    return {key: value.translate(CONTROLS) if isinstance(value, str) else value for key, value in event.items()}


def mask_personal(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Masks what a key of a person's holds, at any depth. `old_number` and `Beneficiary-Name` are such keys too."""
    return {key: _masked(key, value) for key, value in event.items()}


def _masked(key: str, value: object) -> object:
    if key.lower().replace("-", "_").split("_")[-1] in PERSONAL:
        return MASK
    if isinstance(value, Mapping):
        return {str(inner): _masked(str(inner), each) for inner, each in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_masked("", each) for each in value]
    return value
