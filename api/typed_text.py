"""What people type for settings, as plain values: `name=value` lines, or YAML. Shared by the forms and the terminal."""

from __future__ import annotations

import re
from collections.abc import Iterable

from api.plain_json import MOST_MEMBERS, json_problems, load_json
from api.typed_yaml import read_yaml
from orchestrator.domain.errors import FieldProblem, InvalidInputError
from orchestrator.domain.json_value import JsonValue

MAX_CHARACTERS = 64 * 1024
MOST_PROBLEMS = 20
_PAIR = re.compile(r"[\w.]+\s*=")
_WORDS = frozenset({"NaN", "Infinity", "-Infinity"})
"""Numbers to Python's reader and words to JSON: as numbers they could not be sent on."""


def plain_value(text: str, field: str) -> JsonValue:
    """JSON where it is JSON, text elsewhere. `InvalidInputError` naming `field` for JSON that no body may hold."""
    if text in _WORDS:
        return text
    try:
        value: JsonValue = load_json(text)
    except (ValueError, RecursionError):
        return text
    if problems := list(json_problems(value, field)):
        raise InvalidInputError(problems[:MOST_PROBLEMS])
    return value


def read_pairs(text: str, field: str) -> dict[str, JsonValue]:
    """The values of `name=value` lines; empty lines and comments are passed over. `InvalidInputError` naming `field`
    with the number of every line that is something else, or names something a second time."""
    _refuse_length(text, field)
    values: dict[str, JsonValue] = {}
    problems: list[FieldProblem] = []
    for number, line in _written(text):
        try:
            _take(values, number, line, field)
        except InvalidInputError as error:
            problems.extend(error.problems)
        if len(values) > MOST_MEMBERS:
            raise InvalidInputError.of(field, f"line {number} is one too many: {MOST_MEMBERS} values are the most")
    if problems:
        raise InvalidInputError(problems[:MOST_PROBLEMS])
    return values


def read_settings(text: str, field: str) -> dict[str, JsonValue]:
    """A mapping of settings out of `key=value` lines or YAML, of which JSON is a part."""
    _refuse_length(text, field)
    first = next(iter(_written(text)), None)
    if first is None:
        return {}
    settings = read_pairs(text, field) if _PAIR.match(first[1]) else read_yaml(text, field)
    if problems := list(json_problems(settings, field)):
        raise InvalidInputError(problems[:MOST_PROBLEMS])
    return settings


def _refuse_length(text: str, field: str) -> None:
    if len(text) > MAX_CHARACTERS:
        raise InvalidInputError.of(field, f"must not be longer than {MAX_CHARACTERS} characters")


def _written(text: str) -> Iterable[tuple[int, str]]:
    """The lines that say something, with their numbers."""
    lines = ((number, line.strip()) for number, line in enumerate(text.splitlines(), start=1))
    return ((number, line) for number, line in lines if line and not line.startswith("#"))


def _take(values: dict[str, JsonValue], number: int, line: str, field: str) -> None:
    name, equals, value = (part.strip() for part in line.partition("="))
    if not name or not equals:
        raise InvalidInputError.of(field, f"line {number} is not name=value: {line[:60]!r}")
    if name in values:
        raise InvalidInputError.of(field, f"line {number} gives {name[:60]} a second value; keep one")
    values[name] = plain_value(value, f"{field}.{name[:60]}")
