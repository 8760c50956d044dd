"""The description is whole: every route, every problem, examples that are valid, references that resolve."""

import json

import pytest
from pydantic import TypeAdapter

from api import schemas
from api.openapi import problem_responses
from api.policy_table import TABLE
from api.problems import TYPES
from tests.api.client import POSTED
from tests.api.scripted import App


@pytest.fixture(scope="module")
def openapi():
    return App().call("GET", "/openapi.json").json()


def nodes(tree):
    yield tree
    for child in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        yield from nodes(child)


def operations(openapi):
    return [(m.upper(), path, each) for path, methods in openapi["paths"].items() for m, each in methods.items()]


def test_it_is_openapi_and_every_reference_in_it_resolves(openapi):
    assert openapi["openapi"].startswith("3.1")
    for node in nodes(openapi):
        if isinstance(node, dict) and "$ref" in node:
            target = openapi
            for part in node["$ref"].removeprefix("#/").split("/"):
                target = target[part]


def test_every_operation_is_summed_up_and_has_a_role_or_needs_none(openapi):
    for method, path, operation in operations(openapi):
        roles = TABLE[method, path].roles
        assert operation["summary"]
        assert operation.get("x-roles") == (sorted(roles) if roles is not None else None)
        assert ("security" in operation) == (roles is not None)
        assert {parameter["name"] for parameter in operation.get("parameters", []) if parameter["in"] == "path"} == {
            part.strip("{}") for part in path.split("/") if part.startswith("{")
        }


def test_every_problem_is_listed_and_those_of_a_route_are_shown_with_it(openapi):
    for name in TYPES:
        assert f"/problems/{name}" in openapi["info"]["description"]
    for spec in POSTED:
        responses = openapi["paths"][spec.path]["post"]["responses"]
        shown = {
            name
            for response in responses.values()
            for name in response.get("content", {}).get("application/problem+json", {}).get("examples", {})
        }
        assert {*spec.refusals, "idempotency-key-missing", "unauthenticated", "overloaded", "invalid-request"} <= shown


def test_every_command_says_what_it_takes_and_answers_with_examples(openapi):
    defined = openapi["components"]["schemas"]
    for spec in POSTED:
        operation = openapi["paths"][spec.path]["post"]
        assert operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].endswith(spec.body.__name__)
        assert "Idempotency-Key" in {parameter["name"] for parameter in operation["parameters"]}
        assert defined[spec.answer.__name__]["examples"]
        for example in defined[spec.body.__name__]["examples"]:
            spec.body.model_validate_json(json.dumps(example))


def test_reads_say_which_headers_they_take(openapi):
    operation = openapi["paths"]["/v1/bookings/{reference}"]["get"]

    headers = {each["name"].lower() for each in operation["parameters"] if each["in"] == "header"}

    assert headers == {"mawid-at-least", "mawid-now"}


def test_the_example_of_a_bulk_is_valid(openapi):
    operation = openapi["paths"]["/v1/commands"]["post"]
    content = operation["requestBody"]["content"]["application/x-ndjson"]

    assert len(content["schema"]["oneOf"]) == 7
    assert json.loads(content["example"])["command"] == "cancel"
    assert "application/x-ndjson" in operation["responses"]["200"]["content"]


@pytest.mark.parametrize("kind", [schemas.Number, schemas.Mobile, schemas.Start, schemas.Day, schemas.DayOrStart])
def test_the_example_of_a_field_is_valid(kind):
    adapter = TypeAdapter(kind)

    for example in adapter.json_schema()["examples"]:
        adapter.validate_json(json.dumps(example))


def test_problems_of_one_status_share_a_response():
    responses = problem_responses("slot-full", "slot-closed", "not-found")

    assert {status: response["description"] for status, response in responses.items()} == {
        409: "slot-full, slot-closed",
        404: "not-found",
    }


def test_the_page_shows_every_operation_and_needs_nothing_from_elsewhere(openapi):
    page = App().call("GET", "/docs")

    for method, path, _ in operations(openapi):
        assert f"{method} {path}" in page.text
    assert "http://" not in page.text
    assert "https://" not in page.text
