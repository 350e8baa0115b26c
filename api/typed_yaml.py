"""Settings that were typed as YAML: plain values only, nothing that unfolds, and no key twice."""

from __future__ import annotations

import re
from typing import Any

import yaml

from orchestrator.domain.errors import InvalidInputError
from orchestrator.domain.json_value import JsonValue

MAX_DEPTH = 20
_EXPONENT = re.compile(r"^[-+]?[0-9]+(?:\.[0-9]*)?[eE][-+]?[0-9]+$")
_TEXT = "tag:yaml.org,2002:str"
_SETTINGS = "must be settings, one a line, such as `lora_r: 64` or `lora_r=64`"


class _Loader(yaml.SafeLoader):
    """Safe YAML that reads `2e-5` as a number, and a date as the text that JSON can carry."""


_Loader.yaml_implicit_resolvers = {
    # YAML 1.1 counts 1:30 as 90; nobody who writes it means that. Without a colon nothing else changes.
    first: [
        (tag, re.compile(f"(?!.*:){pattern.pattern}", pattern.flags))
        for tag, pattern in resolvers
        if tag != "tag:yaml.org,2002:timestamp"
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _EXPONENT, list("-+0123456789"))


def read_yaml(text: str, field: str) -> dict[str, JsonValue]:
    """The mapping that `text` holds, of any size of numbers; `InvalidInputError` naming `field` for anything else."""
    try:
        _refuse_power(text, field)
        root = yaml.compose(text, Loader=_Loader)
        if not isinstance(root, yaml.MappingNode):
            raise InvalidInputError.of(field, _SETTINGS)
        _refuse_keys(root, field, depth=0)
        found: Any = _Loader("").construct_document(root)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = "" if mark is None else f" in line {mark.line + 1}"
        raise InvalidInputError.of(field, f"is neither key=value lines nor YAML{where}") from error
    except (ValueError, OverflowError) as error:  # a whole number of thousands of digits, for one
        raise InvalidInputError.of(field, "holds a value that cannot be read") from error
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


def _refuse_keys(node: yaml.Node, field: str, depth: int) -> None:
    """A key that is no text could not be sent on; of a key that is set twice, the last would win without a word."""
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_keys(item, field, depth + 1)
    if not isinstance(node, yaml.MappingNode):
        return
    seen: set[str] = set()
    for key, value in node.value:
        line = key.start_mark.line + 1
        if key.tag != _TEXT:
            why = _SETTINGS if depth == 0 else "has a key that is not text"
            raise InvalidInputError.of(field, f"{why} (line {line})")
        if key.value in seen:
            raise InvalidInputError.of(field, f"line {line} sets {key.value[:60]} a second time; keep one")
        seen.add(key.value)
        _refuse_keys(value, field, depth + 1)
