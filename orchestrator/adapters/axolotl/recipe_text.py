"""The text of a user's YAML as plain JSON values: the gate before anything reads a stranger's file.

YAML is a powerful thing too. Aliases can make a kilobyte stand for gigabytes, tags can construct objects, and a key
written twice is silently the second one. So the events are counted before anything is built from them, and nothing
but mappings, lists and plain values is let through.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import yaml

from orchestrator.adapters.axolotl.bounds import MAX_DEPTH, MAX_NODES, SHOWN_KEY, out_of_bounds
from orchestrator.domain.errors import FieldProblem, InvalidInputError
from orchestrator.domain.json_value import JsonValue

MAX_CHARACTERS = 64 * 1024
"""The longest of Axolotl's own examples has about 3,000."""
RECIPE = "recipe"
MERGE_TAG = "tag:yaml.org,2002:merge"
EXPONENT = re.compile(r"^[-+]?[0-9]+(?:\.[0-9]*)?[eE][-+]?[0-9]+$")


class _Loader(yaml.SafeLoader):
    """Safe YAML that reads `2e-5` as the number that everyone means by it, and a date as text, which JSON can carry."""


_Loader.yaml_implicit_resolvers = {
    # YAML 1.1 counts 1:30 as 90; nobody who writes it in a configuration does. Without a colon nothing else changes.
    first: [
        (tag, re.compile(f"(?!.*:){pattern.pattern}", pattern.flags))
        for tag, pattern in resolvers
        if tag != "tag:yaml.org,2002:timestamp"
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", EXPONENT, list("-+0123456789"))


def parse_recipe(text: str) -> dict[str, JsonValue]:
    """The mapping that `text` holds, plain JSON within the bounds of `bounds`.

    Raises `InvalidInputError`; its fields are `recipe`, or `recipe:17` for line 17.
    """
    if len(text) > MAX_CHARACTERS:
        raise InvalidInputError.of(RECIPE, f"must not be longer than {MAX_CHARACTERS} characters")
    try:
        _count(text)
        root = yaml.compose(text, Loader=_Loader)
        if root is None:
            raise InvalidInputError.of(RECIPE, "is empty")
        if not isinstance(root, yaml.MappingNode):
            raise _at(root, "must be a mapping of settings, such as `lora_r: 64`")
        _inspect(root)
        recipe: dict[str, JsonValue] = _Loader("").construct_document(root)
    except yaml.YAMLError as error:
        raise _syntax(error) from error
    except (ValueError, OverflowError) as error:  # a whole number of thousands of digits, for one
        raise InvalidInputError.of(RECIPE, f"holds a value that cannot be read: {error}") from error
    if (gate := out_of_bounds(recipe, RECIPE)) is not None:
        raise InvalidInputError([gate])
    return recipe


def _count(text: str) -> None:
    """Refuse what is too deep or too much, and tags, from the stream of events: nothing has been built yet."""
    depth = 0
    for number, event in enumerate(yaml.parse(text, Loader=_Loader)):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        # The root itself is a level, and each mapping costs two events besides its keys and values.
        if depth > MAX_DEPTH + 1:
            raise _at(event, f"is nested deeper than {MAX_DEPTH} levels")
        if number > 3 * MAX_NODES:
            raise _at(event, f"holds more than {MAX_NODES} values")
        if (tag := getattr(event, "tag", None)) is not None:
            raise _at(event, f"has the tag {tag}; only plain values are read")


def _inspect(root: yaml.Node) -> None:
    """Refuse keys that are written twice or are no plain text, merges, and aliases that unfold to too much."""
    problems: list[FieldProblem] = []
    pending: list[tuple[yaml.Node, int]] = [(root, 0)]
    nodes = 0
    while pending:
        node, depth = pending.pop()
        nodes += 1
        if nodes > 2 * MAX_NODES or depth > MAX_DEPTH:
            raise _at(node, "unfolds to more than a recipe can hold: its aliases repeat each other")
        if isinstance(node, yaml.MappingNode):
            problems.extend(_wrong_keys(node))
            pending.extend((value, depth + 1) for _, value in node.value)
        elif isinstance(node, yaml.SequenceNode):
            pending.extend((value, depth + 1) for value in node.value)
    if problems:
        raise InvalidInputError(list(dict.fromkeys(problems)))


def _wrong_keys(mapping: yaml.MappingNode) -> Iterator[FieldProblem]:
    seen: dict[str, yaml.Node] = {}
    for key, _ in mapping.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            yield FieldProblem(f"{RECIPE}:{line}", "has a key that is not plain text")
        elif key.tag == MERGE_TAG:
            yield FieldProblem(f"{RECIPE}:{line}", "merges another mapping (<<); write its settings out")
        elif (first := seen.setdefault(key.value, key)) is not key:
            earlier = f"first in line {first.start_mark.line + 1}"
            yield FieldProblem(f"{RECIPE}:{line}", f"{key.value[:SHOWN_KEY]} is set twice, {earlier}; keep one")


def _syntax(error: yaml.YAMLError) -> InvalidInputError:
    mark = getattr(error, "problem_mark", None)
    words = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error).splitlines()[0]
    return InvalidInputError.of(RECIPE if mark is None else f"{RECIPE}:{mark.line + 1}", f"is not YAML: {words}")


def _at(place: yaml.Event | yaml.Node, message: str) -> InvalidInputError:
    assert place.start_mark is not None, "only events and nodes that were made by hand have no mark"
    return InvalidInputError.of(f"{RECIPE}:{place.start_mark.line + 1}", message)
