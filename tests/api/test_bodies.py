import asyncio
import json
from typing import Any

import pytest

from api import bodies, schemas
from api.problems import Problem
from tests.api.client import POSTED

EVERYTHING = {
    "office": "CA-TB-01",
    "service": "SV-CA-02",
    "starts_at": "2011-02-05T09:00",
    "beneficiary": {"number": "1000000008", "sex": "male", "name": "سارة", "mobile": "0500000001", "language": "ar"},
    "booker": {"number": "1000000016"},
    "channel": "portal",
}
BODIES = [
    (spec.body, example) for spec in POSTED for example in spec.body.model_config["json_schema_extra"]["examples"]
]
BODIES += [(schemas.BookIn, EVERYTHING), (schemas.BookGroupIn, {"bookings": [EVERYTHING, EVERYTHING]})]


class Twice(dict):
    """An object that is written with one of its members twice."""

    def __init__(self, members, name, value):
        super().__init__(members)
        self._twice = name, value

    def items(self):
        return [self._twice, *super().items()]


def with_a_name_twice(tree, value):
    """Every way to write the tree with one name twice, at any depth."""
    if isinstance(tree, dict):
        for name, child in tree.items():
            yield name, Twice(tree, name, child if value is ... else value)
            for twice, changed in with_a_name_twice(child, value):
                yield twice, tree | {name: changed}
    elif isinstance(tree, list):
        for n, child in enumerate(tree):
            for twice, changed in with_a_name_twice(child, value):
                yield twice, [*tree[:n], changed, *tree[n + 1 :]]


@pytest.mark.parametrize("value", [..., None, 1, "", "x", {}, [], ["civil_affairs"], True], ids=repr)
@pytest.mark.parametrize(("model", "example"), BODIES, ids=lambda each: getattr(each, "__name__", ""))
def test_a_name_that_comes_twice_is_seen_at_any_depth_and_with_any_value(model, example, value):
    for name, changed in with_a_name_twice(example, value):
        with pytest.raises(Problem) as refused:
            bodies.validated(model, json.dumps(changed).encode())

        assert refused.value.evidence == {"field": name, "problem": "comes twice"}


def test_absent_and_as_if_absent_have_one_canonical_form():
    office: Any = next(example for model, example in BODIES if model is schemas.OfficeIn)

    forms = {
        bodies.validated(schemas.OfficeIn, json.dumps(office | more).encode())[1]
        for more in ({}, {"sectors": ["civil_affairs"]})
    }

    assert len(forms) == 1
    assert b"sectors" not in forms.pop()


def test_what_has_another_meaning_has_another_canonical_form():
    first = bodies.validated(schemas.CancelIn, b'{"reason": "a"}')[1]

    assert (
        first
        != bodies.validated(schemas.CancelIn, b'{"reason": "b"}')[1]
        != bodies.validated(schemas.CancelIn, b"{}")[1]
    )


def test_escapes_in_strings_and_names_change_nothing():
    plain = bodies.validated(schemas.CancelIn, '{"reason": "سفر \\"بعيد\\""}'.encode())

    escaped = bodies.validated(
        schemas.CancelIn, b'{"re\\u0061son": "\\u0633\\u0641\\u0631 \\u0022\\u0628\\u0639\\u064a\\u062f\\u0022"}'
    )

    assert plain == escaped


def read_of(parts, length, bytes_max=100):
    """What is read of a body that comes in these parts, and how many of them were asked for."""
    messages = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    messages.append({"type": "http.request", "body": b"", "more_body": False})
    asked = 0

    async def receive():
        nonlocal asked
        asked += 1
        return messages[asked - 1]

    return asyncio.run(bodies.read(receive, bytes_max, length)), asked


def test_a_body_as_long_as_was_told_is_whole_without_asking_for_more():
    assert read_of([b"12345"], b"5") == (b"12345", 1)


@pytest.mark.parametrize("length", [None, b"10", b"4", b"05", b"x"])
def test_a_body_is_read_to_its_end_where_its_length_is_not_what_was_told(length):
    assert read_of([b"12345", b"67890"], length) == (b"1234567890", 3)


@pytest.mark.parametrize("length", [None, b"11"])
def test_a_body_over_the_limit_is_refused_whether_its_length_was_told_or_not(length):
    with pytest.raises(Problem) as refused:
        read_of([b"12345678901"], length, bytes_max=10)

    assert refused.value.type.name == "body-too-large"
