"""Reading bodies strictly: as `plain_json` has it, declared as JSON, and with every unknown field named."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from email.message import Message
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from api.errors import MalformedBodyError
from api.field_problems import field_problems
from api.plain_json import DEEPEST, json_problems, load_json
from orchestrator.domain.errors import InvalidInputError
from orchestrator.domain.json_value import JsonValue


def parse_json(raw: bytes) -> JsonValue:
    """The JSON value in `raw`; `MalformedBodyError` naming every field that cannot be taken, or `body`."""
    try:
        value = load_json(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise MalformedBodyError.of("body", f"is not UTF-8: byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise MalformedBodyError.of("body", f"is not JSON: {error.msg}, at character {error.pos}") from None
    except RecursionError:
        raise MalformedBodyError.of("body", f"is nested deeper than {DEEPEST} levels") from None
    problems = list(json_problems(value, ""))
    if problems:
        raise MalformedBodyError(problems)
    parsed: JsonValue = value
    return parsed


class _ParsedRequest(Request):
    """A request whose body was parsed already, by our reader."""

    parsed: JsonValue = None

    async def json(self) -> JsonValue:
        return self.parsed


class StrictRoute(APIRoute):
    """A route that reads its body strictly and tells of unknown fields and parameters which were meant."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        takes_body = self.body_field is not None
        known = _known_names(self)

        async def handle_strictly(request: Request) -> Response:
            if takes_body:
                request = await _parsed(request)
            try:
                return await handle(request)
            except RequestValidationError as error:
                raise InvalidInputError(field_problems(error.errors(), known)) from None

        return handle_strictly


async def _parsed(request: Request) -> _ParsedRequest:
    _require_json(request.headers.get("content-type", ""))
    parsed = _ParsedRequest(request.scope, request.receive)
    parsed.parsed = parse_json(await parsed.body())
    if not isinstance(parsed.parsed, dict):
        raise MalformedBodyError.of("body", "must be a JSON object")
    return parsed


def _require_json(content_type: str) -> None:
    """Refuse what a plain form of another site could send: a browser asks before it sends JSON across origins."""
    message = Message()
    message["content-type"] = content_type
    if not content_type or message.get_content_type() != "application/json":
        raise HTTPException(415, "the body must be JSON, with Content-Type: application/json")


def _known_names(route: APIRoute) -> tuple[str, ...]:
    fields = [*route.dependant.query_params, *([route.body_field] if route.body_field else [])]
    names: list[str] = []
    for field in fields:
        kind = field.field_info.annotation
        is_model = isinstance(kind, type) and issubclass(kind, BaseModel)
        names.extend(kind.model_fields if is_model and kind is not None else [field.alias])
    return tuple(names)
