"""Keys and types of an Axolotl configuration, checked in about a millisecond against the exported schema.

The schema file is written by `bench/export_axolotl_schema.py`. It knows keys and types; what depends on several fields
is in `rules`. Axolotl itself ignores an unknown key without a word, so the exported schema is closed.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files

from jsonschema import Draft202012Validator, ValidationError

from orchestrator.adapters.axolotl.bounds import out_of_bounds
from orchestrator.adapters.axolotl.translation import INTO_OPTIM_ARGS, RENAMED
from orchestrator.domain.errors import FieldProblem

AXOLOTL_VERSION = "0.19.0"
MAX_PROBLEMS = 20
"""More are counted, not listed: nobody reads on, and each suggestion costs a comparison with every key."""
SHOWN_VALUE = 60
NEARNESS = 0.6
"""difflib's default similarity, below which a suggestion would be a guess."""


def check_keys_and_types(config: Mapping[str, object], prefix: str) -> tuple[FieldProblem, ...]:
    """What Axolotl's schema says against `config`: at most `MAX_PROBLEMS`, and a line that counts the rest.

    `config` may be partial: a missing key is no problem here. `prefix` starts every path: `overrides.lora_r`.
    Never raises, whatever JSON (or not) the values are.
    """
    if (gate := out_of_bounds(config, prefix)) is not None:
        return (gate,)
    plain = {key: _as_json(value) for key, value in config.items()}
    return limited(_problems_of(_validator(), plain, prefix), prefix)


def check_against(fragment: Mapping[str, object], value: object, path: str) -> tuple[FieldProblem, ...]:
    """What a small JSON schema says against one value that already passed `check_keys_and_types`."""
    return limited(_problems_of(Draft202012Validator(fragment), _as_json(value), path), path)


def limited(problems: Iterator[FieldProblem], path: str) -> tuple[FieldProblem, ...]:
    """The first `MAX_PROBLEMS`, then one that counts the others."""
    listed: list[FieldProblem] = []
    uncounted = 0
    for problem in problems:
        if len(listed) < MAX_PROBLEMS:
            listed.append(problem)
        else:
            uncounted += 1
    if uncounted:
        listed.append(FieldProblem(path, f"and {uncounted} more problems"))
    return tuple(listed)


def nearest_key(name: str) -> str | None:
    """The key that `name` most resembles, if any does (`lora_alhpa`: `lora_alpha`): a real one or one translated."""
    candidates = (*known_keys(), *RENAMED, *INTO_OPTIM_ARGS)
    return next(iter(difflib.get_close_matches(name, candidates, n=1, cutoff=NEARNESS)), None)


@cache
def known_keys() -> tuple[str, ...]:
    """Every top-level key that Axolotl reads, sorted."""
    return tuple(sorted(_document()["properties"]))


@cache
def known_dataset_keys() -> tuple[str, ...]:
    """Every key that Axolotl reads in an entry of `datasets`, whatever the entry's kind, sorted."""
    kinds = (definition for name, definition in _document()["$defs"].items() if name.endswith("Dataset"))
    return tuple(sorted({key for kind in kinds for key in kind["properties"]}))  # type: ignore[call-overload]


@cache
def known_names(kind: str) -> frozenset[str]:
    """Names that Axolotl takes as free strings but only knows some of: `optimizers` or `lr_schedulers`."""
    return frozenset(_document()["x-axolotl"][kind])


@cache
def _document() -> dict[str, dict[str, list[str]]]:
    resource = files(__package__).joinpath(f"axolotl-{AXOLOTL_VERSION}.schema.json")
    document: dict[str, dict[str, list[str]]] = json.loads(resource.read_text(encoding="utf-8"))
    return document


@cache
def _validator() -> Draft202012Validator:
    # Presence is not this module's business: overrides are partial by nature.
    return Draft202012Validator({key: value for key, value in _document().items() if key != "required"})


def _as_json(value: object) -> object:
    """Mappings and tuples as the dicts and lists that jsonschema knows."""
    if isinstance(value, Mapping):
        return {key: _as_json(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_as_json(inner) for inner in value]
    return value


def _problems_of(validator: Draft202012Validator, value: object, prefix: str) -> Iterator[FieldProblem]:
    suggestions = MAX_PROBLEMS
    for error in validator.iter_errors(value):
        cause = _innermost(error)
        path = ".".join([prefix, *(str(step) for step in cause.absolute_path)])
        if cause.validator != "additionalProperties":
            yield FieldProblem(path, _complaint(cause))
            continue
        at_top = "$defs" in cause.schema
        for key in sorted(set(cause.instance) - set(cause.schema.get("properties", ()))):
            near = _near(key, cause.schema, at_top) if suggestions > 0 else None
            suggestions -= 1
            yield FieldProblem(f"{path}.{key}", _unknown(at_top, near))


def _near(key: str, schema: Mapping[str, Mapping[str, object]], at_top: bool) -> str | None:
    if at_top:
        return nearest_key(key)
    return next(iter(difflib.get_close_matches(key, list(schema.get("properties", ())), n=1, cutoff=NEARNESS)), None)


def unknown_dataset_key(key: str) -> str:
    """The message for a key of an entry of `datasets` that Axolotl does not read."""
    near = next(iter(difflib.get_close_matches(key, known_dataset_keys(), n=1, cutoff=NEARNESS)), None)
    return _unknown(at_top=False, near=near)


def _unknown(at_top: bool, near: str | None) -> str:
    what = f"is not a setting of Axolotl {AXOLOTL_VERSION}" if at_top else "is not known here"
    return f"{what}; did you mean {near}?" if near else what


def _innermost(error: ValidationError) -> ValidationError:
    """The error inside a union that is about a deeper part of the value, else the error itself.

    A union's own message ("is not valid under any of the given schemas") helps only when no branch came further.
    """
    while error.context:
        deepest = max(error.context, key=lambda inner: len(inner.absolute_path))
        unknown_key = next((inner for inner in error.context if inner.validator == "additionalProperties"), None)
        if len(deepest.absolute_path) > len(error.absolute_path):
            error = deepest
        elif unknown_key is not None:
            error = unknown_key
        else:
            break
    return error


def _complaint(error: ValidationError) -> str:
    if error.validator == "required":
        return f"lacks {', '.join(sorted(set(error.validator_value) - set(error.instance)))}"
    if error.validator == "not":
        return f"cannot be {_shown(error.instance)}"
    branches = error.schema.get("anyOf", [error.schema]) if error.validator == "anyOf" else [error.schema]
    wanted = [phrase for branch in branches if (phrase := _expectation(branch))]
    shown = _shown(error.instance)
    return f"must be {' or '.join(dict.fromkeys(wanted))}, not {shown}" if wanted else f"cannot be {shown}"


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN_VALUE else text[: SHOWN_VALUE - 1] + "…"


TYPE_WORDS = {
    "string": "a string",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
    "null": "null",
}
LIMIT_WORDS = {
    "minimum": "at least",
    "exclusiveMinimum": "more than",
    "maximum": "at most",
    "exclusiveMaximum": "less than",
    "minItems": "with no fewer items than",
    "maxItems": "with no more items than",
    "maxLength": "with no more characters than",
    "pattern": "matching",
}


def _expectation(schema: Mapping[str, object]) -> str:
    """What a schema without unions asks for, in words; empty when it asks for nothing that can be said."""
    if "$ref" in schema:
        name = str(schema["$ref"]).rpartition("/")[2]
        return _expectation(_document()["$defs"][name])  # type: ignore[arg-type]
    if "const" in schema:
        return _shown(schema["const"])
    if isinstance(options := schema.get("enum"), list):
        return "one of " + ", ".join(str(option) for option in options)
    kind = TYPE_WORDS.get(str(schema.get("type")), "")
    items = schema.get("items")
    if isinstance(items, Mapping) and (inner := _expectation(items)):
        kind = f"{kind} (each {inner})"
    limits = " and ".join(f"{word} {schema[key]}" for key, word in LIMIT_WORDS.items() if key in schema)
    return f"{kind}, {limits}" if kind and limits else kind or limits
