"""Whether a value is plain JSON of a sane size: the gate before anything reads a stranger's configuration closely.

Everything behind this gate (schema, messages, YAML, the database) may assume finite numbers that fit 64 bits, short
encodable strings, little nesting and few nodes. The walk is iterative and stops at the first limit that is passed.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from itertools import islice

from orchestrator.domain.errors import FieldProblem

MAX_NODES = 2_000
"""Axolotl 0.19 has 390 keys; no honest configuration comes near."""
MAX_DEPTH = 8
MAX_STRING = 4_096
MAX_KEY = 128
INTEGER_LIMIT = 2**63
SHOWN_KEY = 40


def out_of_bounds(config: Mapping[str, object], prefix: str) -> FieldProblem | None:
    """The first thing in `config` that is not plain JSON within the limits, or None. Never raises."""
    pending: list[tuple[str, object, int]] = [(prefix, config, 0)]
    nodes = 1
    while pending:
        path, value, depth = pending.pop()
        if (wrong := _complaint(value, depth)) is not None:
            return FieldProblem(path, wrong)
        children = _children(value)
        nodes += len(children)
        if nodes > MAX_NODES:
            return FieldProblem(prefix, f"holds more than {MAX_NODES} values")
        pending.extend((f"{path}.{key}", inner, depth + 1) for key, inner in children)
    return None


def _children(value: object) -> Collection[tuple[object, object]]:
    if isinstance(value, Mapping):
        return value.items()
    return list(enumerate(value)) if isinstance(value, list | tuple) else ()


def _complaint(value: object, depth: int) -> str | None:
    if depth > MAX_DEPTH:
        return f"is nested deeper than {MAX_DEPTH} levels"
    if isinstance(value, Mapping):
        return next((wrong for key in islice(value, MAX_NODES) if (wrong := _key_complaint(key)) is not None), None)
    return None if isinstance(value, list | tuple) else _scalar_complaint(value)


def _key_complaint(key: object) -> str | None:
    if not isinstance(key, str):
        return "has a key that is not a string"
    if len(key) > MAX_KEY:
        return f"has a key of more than {MAX_KEY} characters"
    if not key.isprintable() or _unwritable(key):
        return "has a key with unprintable characters"
    return None


def _scalar_complaint(value: object) -> str | None:
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, int):
        return None if -INTEGER_LIMIT <= value < INTEGER_LIMIT else "must fit 64 bits"
    if isinstance(value, float):
        return None if math.isfinite(value) else "must be a finite number"
    if not isinstance(value, str):
        return f"must be plain JSON, not {type(value).__name__[:SHOWN_KEY]}"
    if len(value) > MAX_STRING:
        return f"must not be longer than {MAX_STRING} characters"
    return "holds characters that cannot be stored" if _unwritable(value) else None


def _unwritable(text: str) -> bool:
    """NUL, which databases refuse, or half of a surrogate pair, which no encoding can write."""
    return "\0" in text or any("\ud800" <= character <= "\udfff" for character in text)
