"""What FastAPI's own OpenAPI document leaves out: the problems, the token, and what every operation may answer."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api.auth import OPEN_PATHS
from api.schemas.examples import EXAMPLES
from api.schemas.journal import EndView, EventView
from api.schemas.problem import Problem, problem_document

REFERENCE = "#/components/schemas/{model}"
UNFORESEEN = {**problem_document(500), "description": "Any other problem, in the same form."}
METHODS = frozenset({"get", "post", "put", "patch", "delete"})


def describe(app: FastAPI) -> None:
    """Make `app` publish the complete document, built once."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    # FastAPI's documented way to extend the document.
    app.openapi = openapi  # type: ignore[method-assign]


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title=app.title, version=app.version, summary=app.summary, description=app.description, routes=app.routes,
        tags=app.openapi_tags,
    )  # fmt: skip
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for model in (Problem, EventView, EndView):
        schema = model.model_json_schema(ref_template=REFERENCE, mode="serialization")
        schemas.update(schema.pop("$defs", {}), **{model.__name__: schema})
    for model_of_fastapi in ("HTTPValidationError", "ValidationError"):
        schemas.pop(model_of_fastapi, None)
    components["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "description": "LATTICEFORGE_API_TOKEN, where it is set."}
    }
    for path, item in document["paths"].items():
        for method in METHODS & item.keys():
            _complete(path, item[method])
    return document


def _complete(path: str, operation: dict[str, Any]) -> None:
    responses = operation["responses"]
    if "application/json" in responses.get("422", {}).get("content", {}):
        # FastAPI's own, on routes where only the path has parameters: those answer 404.
        del responses["422"]
    for response in responses.values():
        _show_example(response.get("content", {}).get("application/json", {}))
    responses["default"] = UNFORESEEN
    if path in OPEN_PATHS:
        return
    # The empty requirement: without a token in the settings none is asked for.
    operation["security"] = [{"bearer": []}, {}]
    responses["401"] = problem_document(401)
    if "requestBody" in operation:
        for status in (400, 413, 415):
            responses.setdefault(str(status), problem_document(status))


def _show_example(described: dict[str, Any]) -> None:
    """Put the schema's example in. FastAPI would leave every null out of one that a route gives it."""
    schema = described.get("schema", {})
    # Of an answer with several forms, the first is shown.
    first = schema.get("anyOf", [schema])[0]
    example = EXAMPLES.get(first.get("$ref", "").rsplit("/", 1)[-1])
    if example is not None:
        described.setdefault("example", example.model_dump(mode="json"))
