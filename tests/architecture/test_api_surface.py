"""The API's document is complete, valid and true of its own examples."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from fastapi.openapi.models import OpenAPI

from api.app import create_app
from api.auth import OPEN_PATHS
from api.schemas.problem import PROBLEM_EXAMPLES, PROBLEM_MEDIA_TYPE
from tests.unit.api.serving import make_service

PROMISED = {
    ("POST", "/runs"), ("GET", "/runs"), ("GET", "/runs/{run_id}"), ("POST", "/runs/{run_id}/cancel"),
    ("POST", "/runs/{run_id}/budget"), ("GET", "/runs/{run_id}/ledger"), ("GET", "/runs/{run_id}/metrics"),
    ("GET", "/runs/{run_id}/logs"), ("GET", "/runs/{run_id}/artifacts"), ("GET", "/runs/{run_id}/artifacts/{path}"),
    ("GET", "/runs/{run_id}/events"), ("POST", "/quotes"), ("GET", "/strategies"), ("GET", "/offers"),
    ("GET", "/calibration"),
    ("POST", "/datasets"), ("GET", "/datasets"), ("GET", "/datasets/{dataset_id}"),
    ("GET", "/runs/{run_id}/card"), ("POST", "/runs/{run_id}/push"),
    ("GET", "/healthz"), ("GET", "/readyz"), ("GET", "/problems/{slug}"),
}  # fmt: skip


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    home: Path = tmp_path_factory.mktemp("home")
    return create_app(make_service(home).application).openapi()


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield method.upper(), path, operation


def media(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(where, media type, media object) of every response."""
    for method, path, operation in operations(document):
        for status, response in operation["responses"].items():
            for kind, described in response.get("content", {}).items():
                yield f"{method} {path} {status}", kind, described


def test_the_surface_is_what_was_promised(document: dict[str, Any]) -> None:
    assert {(method, path) for method, path, _ in operations(document)} == PROMISED


def test_the_document_is_valid_openapi(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    OpenAPI.model_validate(document)
    for schema in document["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    def references(node: Any) -> Iterator[str]:
        if isinstance(node, dict):
            if isinstance(node.get("$ref"), str):
                yield node["$ref"]
            for inner in node.values():
                yield from references(inner)
        elif isinstance(node, list):
            for inner in node:
                yield from references(inner)

    found = set(references(document))
    assert found
    for reference in found:
        assert reference.removeprefix("#/components/schemas/") in document["components"]["schemas"], reference


def test_every_operation_says_what_it_does(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        assert operation["summary"], (method, path)
        assert operation["description"], (method, path)
        assert operation["tags"], (method, path)
        for parameter in operation.get("parameters", []):
            assert parameter["description"], (method, path, parameter["name"])


def test_every_answer_has_an_example_that_its_schema_accepts(document: dict[str, Any]) -> None:
    for where, kind, described in media(document):
        assert "example" in described, where
        if kind.endswith("json"):
            schema = {**described["schema"], "components": document["components"]}
            jsonschema.Draft202012Validator(schema).validate(described["example"])


def bodies(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [operation["requestBody"] for _, _, operation in operations(document) if "requestBody" in operation]


def test_every_json_body_has_an_example_that_its_schema_accepts(document: dict[str, Any]) -> None:
    of_json = [body for body in bodies(document) if "application/json" in body["content"]]
    assert len(of_json) == 4
    for body in of_json:
        name = body["content"]["application/json"]["schema"]["$ref"].rsplit("/", 1)[1]
        schema = document["components"]["schemas"][name]
        assert schema["examples"]
        for example in schema["examples"]:
            jsonschema.Draft202012Validator(schema).validate(example)


def test_every_other_body_shows_what_each_of_its_media_types_holds(document: dict[str, Any]) -> None:
    (upload,) = [body for body in bodies(document) if "application/json" not in body["content"]]
    assert set(upload["content"]) == {
        "application/x-ndjson",
        "application/jsonl",
        "application/vnd.apache.parquet",
        "application/octet-stream",
    }
    assert all(described["example"] for described in upload["content"].values())


def test_every_operation_documents_its_problems(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        expected = {"default"}
        if path not in OPEN_PATHS:
            expected |= {"401"}
        if "{" in path:
            expected |= {"404"}
        if "requestBody" in operation:
            expected |= {"400", "413", "415", "422"}
        if method == "POST":
            expected |= {"403"}
        assert expected <= operation["responses"].keys(), (method, path)


def test_every_error_is_a_problem(document: dict[str, Any]) -> None:
    for where, kind, _ in media(document):
        status = where.rsplit(" ", 1)[1]
        if (status == "default" or int(status) >= 400) and where != "GET /readyz 503":
            assert kind == PROBLEM_MEDIA_TYPE, where


def test_the_problem_examples_bear_their_own_status() -> None:
    assert all(problem.status == status for status, problem in PROBLEM_EXAMPLES.items())


def test_every_operation_but_the_health_checks_tells_of_the_token(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        assert ("security" in operation) == (path not in OPEN_PATHS), (method, path)
