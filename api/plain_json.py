"""I-JSON (RFC 7493): what every reader of a value sees alike, whether it came in a body or was typed into a form.

Python's own reader takes `NaN`, keeps the last of two equal names, makes `1e400` an infinity and lets half a surrogate
pair through; each of them would surface much later, and far from the field that it came in by.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from api.field_problems import LONGEST_NAME
from orchestrator.domain.errors import FieldProblem

DEEPEST = 32
MOST_MEMBERS = 1000
"""Members of one object. A recipe has a hundred; each member costs work before it can be refused."""
LARGEST_WHOLE = 2**53 - 1
"""RFC 7493, 2.2: beyond it, readers disagree on which number it is."""


@dataclass(frozen=True, slots=True)
class _Refused:
    """Stands where the reader met something that cannot be taken, until its path is known."""

    why: str


_TOO_LARGE = _Refused(f"is a whole number beyond {LARGEST_WHOLE}")


def load_json(text: str) -> Any:
    """What `text` holds, to be given to `json_problems` before anything else. Raises what `json.loads` raises."""
    return json.loads(
        text,
        parse_int=_whole,
        parse_constant=lambda name: _Refused(f"{name} is not a JSON number"),
        object_pairs_hook=_members,
    )


def json_problems(value: object, path: str, depth: int = 0) -> Iterator[FieldProblem]:
    """Everything in `value` that cannot be taken, at its dotted path below `path`; `body` where that is empty."""
    if depth > DEEPEST:
        yield FieldProblem(path or "body", f"is nested deeper than {DEEPEST} levels")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from json_problems(item, _inside(path, str(index)), depth + 1)
    elif isinstance(value, dict):
        yield from _object_problems(value, path, depth)
    elif isinstance(value, str):
        yield from _text_problems(value, path)
    elif (refused := _refused(value)) is not None:
        yield FieldProblem(path or "body", refused.why)


def _object_problems(members: dict[str, object], path: str, depth: int) -> Iterator[FieldProblem]:
    if len(members) > MOST_MEMBERS:
        yield FieldProblem(path or "body", f"has {len(members)} members, {MOST_MEMBERS} are the most")
        return
    for name, item in members.items():
        inner = _inside(path, name)
        yield from _text_problems(name, inner)
        yield from json_problems(item, inner, depth + 1)


def _refused(value: object) -> _Refused | None:
    if isinstance(value, _Refused):
        return value
    if isinstance(value, int) and abs(value) > LARGEST_WHOLE:
        return _TOO_LARGE
    return _Refused("is too large a number") if isinstance(value, float) and not math.isfinite(value) else None


def _whole(digits: str) -> int | _Refused:
    # Python refuses to convert thousands of digits, with an error of its own.
    return _TOO_LARGE if len(digits) > 17 else int(digits)


def _members(pairs: list[tuple[str, Any]]) -> Any:
    if len(pairs) > MOST_MEMBERS:
        return _Refused(f"has {len(pairs)} members, {MOST_MEMBERS} are the most")
    members: dict[str, Any] = {}
    for name, value in pairs:
        members[name] = _Refused("is given twice") if name in members else value
    return members


def _text_problems(text: str, path: str) -> Iterator[FieldProblem]:
    if "\0" in text:
        yield FieldProblem(path or "body", "holds a NUL character")
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        yield FieldProblem(path or "body", "holds half of a surrogate pair")


def _inside(path: str, name: str) -> str:
    # A name that cannot be printed must not make the answer unprintable too.
    shown = name[:LONGEST_NAME].encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")
    return f"{path}.{shown}"[:LONGEST_NAME] if path else shown
