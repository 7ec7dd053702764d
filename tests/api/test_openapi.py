"""The description of the API: an example everywhere, each true to its schema, and every refusal a problem."""

import inspect
from typing import Any

import pytest
from pydantic import BaseModel

from api import asking, incoming, nouns, schemas
from api.app import create_app
from api.deps import Services
from api.page.reference import curl
from api.problems import MEDIA_TYPE

DESCRIBED = create_app(Services.__new__(Services)).openapi()
OPERATIONS = [(m, p, o) for p, operations in DESCRIBED["paths"].items() for m, o in operations.items()]
KINDS = [
    kind
    for module in (nouns, schemas, incoming)
    for _, kind in inspect.getmembers(module, inspect.isclass)
    if issubclass(kind, BaseModel) and kind.__module__ == module.__name__ and kind is not nouns.Answer
] + [asking.SessionAsked]  # the others of that module are queries: parameters, one by one
named = pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS, ids=[f"{m} {p}" for m, p, _ in OPERATIONS])


@named
def test_every_operation_has_words_and_examples(method: str, path: str, operation: dict[str, Any]) -> None:
    assert operation["summary"]
    for parameter in operation.get("parameters", ()):
        assert parameter["schema"]["examples"], (path, parameter["name"])
    contents = list(operation["responses"]["200"]["content"].values())
    contents += operation.get("requestBody", {}).get("content", {}).values()
    assert contents
    assert all("example" in content for content in contents)


@named
def test_every_refusal_is_described_as_a_problem(method: str, path: str, operation: dict[str, Any]) -> None:
    for status, answer in operation["responses"].items():
        if status != "200":
            assert answer["content"][MEDIA_TYPE]["schema"] == {"$ref": "#/components/schemas/Problem"}
            assert answer["content"][MEDIA_TYPE]["example"]["status"] == int(status)
    assert operation.get("parameters") is None or "422" in operation["responses"]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_example_is_true_to_its_schema(kind: type[BaseModel]) -> None:
    extra: Any = kind.model_config.get("json_schema_extra")
    (example,) = extra["examples"]
    told = kind.model_validate(example).model_dump(exclude_unset=True)
    assert set(told) == set(example)
    assert kind.__doc__


def test_every_schema_is_in_the_description() -> None:
    assert {kind.__name__ for kind in KINDS} <= set(DESCRIBED["components"]["schemas"])
    for schema in DESCRIBED["components"]["schemas"].values():
        assert "examples" in schema, schema


def test_names_of_operations_are_short_and_apart() -> None:
    names = [o["operationId"] for _, _, o in OPERATIONS]
    assert len(set(names)) == len(names)
    assert all(name.isidentifier() for name in names)


@named
def test_the_command_that_the_page_shows_asks_this_route(method: str, path: str, operation: dict[str, Any]) -> None:
    shown = curl(path, method, operation)
    assert shown.startswith("curl ")
    assert "{" not in shown.partition(" -d ")[0]
