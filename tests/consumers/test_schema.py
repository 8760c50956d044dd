import json
import subprocess
from copy import deepcopy

import msgspec
import pytest

from consumers.schema import FILE, breaches, facts_schema, text_of


class Told(msgspec.Struct, omit_defaults=True):
    office: str
    minutes: int = 15


def schema_of(shape):
    return facts_schema({"Told.v1": shape})


def changed(**fields):
    """Told with other fields."""
    told = {"office": str, "minutes": (int, 15)} | fields
    kept = [(name, *kind) if isinstance(kind, tuple) else (name, kind) for name, kind in told.items() if kind]
    return schema_of(msgspec.defstruct("Told", sorted(kept, key=len), omit_defaults=True))


def test_the_schema_in_the_tree_is_that_of_the_events():
    assert FILE.read_text() == text_of(facts_schema()), "python -m consumers.schema"


def test_no_reader_of_a_schema_that_was_ever_committed_stumbles_over_todays(root):
    if not (root / ".git").exists():  # a tree without history has no readers yet
        return
    path = FILE.relative_to(root)
    revisions = subprocess.run(
        ["git", "log", "--format=%H", "--", path], cwd=root, capture_output=True, text=True, check=True
    ).stdout.split()

    for revision in revisions:
        shown = subprocess.run(["git", "show", f"{revision}:{path}"], cwd=root, capture_output=True, check=True)
        assert list(breaches(json.loads(shown.stdout), facts_schema())) == [], revision


@pytest.mark.parametrize(
    "new",
    [
        changed(),
        changed(counter=(int, 0)),
        facts_schema({"Told.v1": Told, "Told.v2": msgspec.defstruct("ToldAnew", [("office", str)])}),
    ],
    ids=["nothing", "an optional field", "a new type"],
)
def test_a_reader_does_not_mind(new):
    assert list(breaches(schema_of(Told), new)) == []


@pytest.mark.parametrize(
    "new",
    [
        changed(office=None),
        changed(minutes=None, duration=(int, 15)),
        changed(office=int),
        changed(office=(str, "CA-TB-01")),
        changed(minutes=(int, 30)),
        changed(counter=int),
        facts_schema({"Told.v2": Told}),
    ],
    ids=[
        "a field is gone",
        "a field has another name",
        "a field has another type",
        "a field may be absent",
        "an absent field means something else",
        "a field that old facts lack is required",
        "a type has another name",
    ],
)
def test_a_reader_stumbles(new):
    assert len(list(breaches(schema_of(Told), new))) == 1


def test_a_reader_stumbles_over_another_envelope():
    new = deepcopy(schema_of(Told))
    new["properties"]["at"]["type"] = "integer"

    assert len(list(breaches(schema_of(Told), new))) == 1
