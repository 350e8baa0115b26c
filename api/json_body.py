"""Reading bodies strictly: I-JSON (RFC 7493), so that every reader of a body sees the same thing in it.

Python's own reader takes `NaN`, keeps the last of two equal names, makes `1e400` an infinity and lets half a surrogate
pair through; each of them would surface much later, and far from the field that it came in by.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from email.message import Message
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from api.errors import MalformedBodyError
from api.field_problems import LONGEST_NAME, field_problems
from orchestrator.domain.errors import FieldProblem, InvalidInputError
from orchestrator.domain.json_value import JsonValue

DEEPEST = 32
MOST_MEMBERS = 1000
"""Members of one object. A recipe has a hundred; each member costs work before it can be refused."""
LARGEST_WHOLE = 2**53 - 1
"""RFC 7493, 2.2: beyond it, readers disagree on which number it is."""


@dataclass(frozen=True, slots=True)
class _Refused:
    """Stands where the reader met something that cannot be taken, until its path is known."""

    why: str


def parse_json(raw: bytes) -> JsonValue:
    """The JSON value in `raw`; `MalformedBodyError` naming every field that cannot be taken, or `body`."""
    try:
        value = json.loads(
            raw.decode("utf-8"),
            parse_int=_whole,
            parse_float=_number,
            parse_constant=lambda name: _Refused(f"{name} is not a JSON number"),
            object_pairs_hook=_members,
        )
    except UnicodeDecodeError as error:
        raise MalformedBodyError.of("body", f"is not UTF-8: byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise MalformedBodyError.of("body", f"is not JSON: {error.msg}, at character {error.pos}") from None
    except RecursionError:
        raise MalformedBodyError.of("body", f"is nested deeper than {DEEPEST} levels") from None
    problems = list(_problems(value, ""))
    if problems:
        raise MalformedBodyError(problems)
    parsed: JsonValue = value
    return parsed


def _whole(digits: str) -> int | _Refused:
    # The length first: Python refuses to convert thousands of digits, with an error of its own.
    if len(digits) > 17 or abs(int(digits)) > LARGEST_WHOLE:
        return _Refused(f"is a whole number beyond {LARGEST_WHOLE}")
    return int(digits)


def _number(digits: str) -> float | _Refused:
    value = float(digits)
    return value if math.isfinite(value) else _Refused("is too large a number")


def _members(pairs: list[tuple[str, Any]]) -> Any:
    if len(pairs) > MOST_MEMBERS:
        return _Refused(f"has {len(pairs)} members, {MOST_MEMBERS} are the most")
    members: dict[str, Any] = {}
    for name, value in pairs:
        members[name] = _Refused("is given twice") if name in members else value
    return members


def _problems(value: object, path: str, depth: int = 0) -> Iterator[FieldProblem]:
    if depth > DEEPEST:
        yield FieldProblem(path or "body", f"is nested deeper than {DEEPEST} levels")
    elif isinstance(value, _Refused):
        yield FieldProblem(path or "body", value.why)
    elif isinstance(value, str):
        yield from _text_problems(value, path)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _problems(item, _inside(path, str(index)), depth + 1)
    elif isinstance(value, dict):
        for name, item in value.items():
            inner = _inside(path, name)
            yield from _text_problems(name, inner)
            yield from _problems(item, inner, depth + 1)


def _text_problems(text: str, path: str) -> Iterator[FieldProblem]:
    if "\0" in text:
        yield FieldProblem(path or "body", "holds a NUL character")
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        yield FieldProblem(path or "body", "holds half of a surrogate pair")


def _inside(path: str, name: str) -> str:
    # A name that cannot be printed must not make the answer unprintable too.
    shown = name[:LONGEST_NAME].encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")
    return f"{path}.{shown}"[:LONGEST_NAME] if path else shown


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
