"""The JSON Schema of what is on `mawid.facts.v1`, made from the event types: `python -m consumers.schema` writes it.

What is on the topic stays there, and readers are not asked: a change that breaks one of them is refused.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from domain.events import EVENTS
from domain.upcasting import UPCASTERS

_THE_ENVELOPE: Final = "the envelope"
FILE: Final = Path(__file__).with_name("facts.schema.json")
Schema = dict[str, Any]

#: Members of the envelope that every fact has, beside `type` and `data`.
_ENVELOPE: Final[Schema] = {
    "position": {"type": "integer", "minimum": 1, "description": "place in the log: 1, 2, 3 … without a gap"},
    "id": {"type": "string", "description": "the fact's for ever: what comes twice is told by it"},
    "stream": {"type": "string", "description": "what it is a fact of; the message's key"},
    "stream_version": {"type": "integer", "minimum": 1, "description": "1, 2, 3 … within the stream"},
    "at": {"type": "string", "format": "date-time", "description": "the time it was decided for, office time"},
    "command_id": {"type": ["string", "null"], "pattern": "^[0-9a-f]{32}$"},
}


def facts_schema(shapes: Mapping[str, type[msgspec.Struct]] | None = None) -> Schema:
    """`shapes`: of `data` by type; all that are in any log unless told otherwise."""
    shapes = shapes or {event.TOPIC: event for event in EVENTS} | {old: UPCASTERS[old].shape for old in UPCASTERS}
    _, datas = msgspec.json.schema_components(shapes.values(), schema_hook=_anything, ref_template="#/$defs/{name}")
    types = {topic: datas[shape.__name__] for topic, shape in shapes.items()}
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "mawid.facts.v1",
        "description": "A member that is absent has its default. Readers ignore members and types they do not know.",
        "type": "object",
        "properties": _ENVELOPE | {"type": {"enum": sorted(types)}, "data": {"type": "object"}},
        "required": [*_ENVELOPE, "type", "data"],
        "oneOf": [
            {"properties": {"type": {"const": topic}, "data": {"$ref": f"#/$defs/{topic}"}}} for topic in sorted(types)
        ],
        "$defs": {topic: types[topic] for topic in sorted(types)},
    }
    as_read: Schema = json.loads(json.dumps(schema))  # lists where there are tuples: to be compared with a file
    return as_read


def _anything(kind: type) -> Schema:
    """A policy's rules are whatever a policy file may say."""
    if kind is object:
        return {"description": "anything"}
    raise NotImplementedError(kind)


def breaches(old: Schema, new: Schema) -> Iterator[str]:
    """What a reader of `old` would stumble over in `new`, in a sentence each."""
    yield from _breaches_of_members(_THE_ENVELOPE, old, new)
    for topic, before in old["$defs"].items():
        now = new["$defs"].get(topic)
        if now is None:
            yield f"{topic} is gone"
        else:
            yield from _breaches_of_members(topic, before, now)


def _breaches_of_members(what: str, old: Schema, new: Schema) -> Iterator[str]:
    required, was_required = set(new.get("required", ())), set(old.get("required", ()))
    for name, before in old["properties"].items():
        now = new["properties"].get(name)
        if now is None:
            yield f"{what}: {name} is gone"
        elif name in was_required and name not in required:
            yield f"{what}: {name} was always there and may be absent"
        elif (what != _THE_ENVELOPE or name not in {"type", "data"}) and _meaning(now) != _meaning(before):
            yield f"{what}: {name} was {_meaning(before)} and is {_meaning(now)}"
    for name in required - was_required:
        yield f"{what}: {name} is required, and facts of before may lack it"


def _meaning(member: Schema) -> Schema:
    return {name: value for name, value in member.items() if name != "description"}


def text_of(schema: Schema) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def main() -> int:
    new = facts_schema()
    broken = list(breaches(json.loads(FILE.read_text("utf-8")), new)) if FILE.exists() else []
    sys.stderr.writelines(f"{each}\n" for each in broken)
    if not broken:
        FILE.write_text(text_of(new), "utf-8")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
