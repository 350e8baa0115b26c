"""What people type for settings, as plain values: `name=value` lines, or YAML. Shared by the forms and the terminal."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from orchestrator.domain.errors import FieldProblem, InvalidInputError
from orchestrator.domain.json_value import JsonValue

MAX_CHARACTERS = 64 * 1024
MAX_DEPTH = 20
_PAIR = re.compile(r"[\w.]+\s*=")
_EXPONENT = re.compile(r"^[-+]?[0-9]+(?:\.[0-9]*)?[eE][-+]?[0-9]+$")


class _Loader(yaml.SafeLoader):
    """Safe YAML that reads `2e-5` as a number, and a date as the text that JSON can carry."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _EXPONENT, list("-+0123456789"))


def plain_value(text: str) -> JsonValue:
    """JSON where it is JSON, text elsewhere."""
    try:
        value: JsonValue = json.loads(text)
    except (ValueError, RecursionError):
        return text
    # NaN and Infinity are words to JSON: as numbers they could not be sent on.
    return text if isinstance(value, float) and not math.isfinite(value) else value


def read_pairs(lines: Iterable[str], field: str) -> dict[str, JsonValue]:
    """The values of `name=value` lines; empty lines and comments are passed over. `InvalidInputError` naming `field`
    with the number of every line that is something else, or names something a second time."""
    values: dict[str, JsonValue] = {}
    problems: list[FieldProblem] = []
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        name, equals, value = (part.strip() for part in text.partition("="))
        if not name or not equals:
            problems.append(FieldProblem(field, f"line {number} is not name=value: {text[:60]!r}"))
        elif name in values:
            problems.append(FieldProblem(field, f"line {number} gives {name[:60]} a second value; keep one"))
        else:
            values[name] = plain_value(value)
    if problems:
        raise InvalidInputError(problems)
    return values


def read_settings(text: str, field: str) -> dict[str, JsonValue]:
    """A mapping of settings out of `key=value` lines or YAML, of which JSON is a part."""
    if len(text) > MAX_CHARACTERS:
        raise InvalidInputError.of(field, f"must not be longer than {MAX_CHARACTERS} characters")
    lines = [line.strip() for line in text.splitlines()]
    written = [line for line in lines if line and not line.startswith("#")]
    if written and _PAIR.match(written[0]):
        return read_pairs(lines, field)
    return _yaml_mapping(text, field) if written else {}


def _yaml_mapping(text: str, field: str) -> dict[str, JsonValue]:
    try:
        _refuse_power(text, field)
        found: Any = yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = "" if mark is None else f" in line {mark.line + 1}"
        raise InvalidInputError.of(field, f"is neither key=value lines nor YAML{where}") from error
    except ValueError as error:  # a whole number of thousands of digits, for one
        raise InvalidInputError.of(field, "holds a value that cannot be read") from error
    if not isinstance(found, Mapping) or not all(isinstance(key, str) for key in found):
        raise InvalidInputError.of(field, "must be settings, one a line, such as `lora_r: 64` or `lora_r=64`")
    return dict(found)


def _refuse_power(text: str, field: str) -> None:
    """Aliases can make a line stand for gigabytes, and tags construct things: refused before anything is built."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise InvalidInputError.of(field, f"is nested deeper than {MAX_DEPTH} levels")
        if isinstance(event, yaml.AliasEvent) or getattr(event, "tag", None) is not None:
            line = event.start_mark.line + 1 if event.start_mark else 1
            raise InvalidInputError.of(field, f"line {line} has an alias or a tag; only plain values are read")
