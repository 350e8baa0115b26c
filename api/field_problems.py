"""From pydantic's errors to ours: the field as the user wrote it, and what is wrong with it in plain words."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from orchestrator.domain.errors import FieldProblem

MOST_HINTS = 20
"""Nearest names are looked for this often; beyond, an unknown field is only said to be unknown."""
LONGEST_NAME = 80


def field_problems(found: Iterable[Mapping[str, Any]], known: Sequence[str]) -> list[FieldProblem]:
    """One problem for each of pydantic's `found` errors; `known` are the names that an unknown one may have meant."""
    return [_problem(error, known if index < MOST_HINTS else ()) for index, error in enumerate(found)]


def _problem(error: Mapping[str, Any], known: Sequence[str]) -> FieldProblem:
    name = _name(error["loc"])
    if error["type"] == "missing":
        return FieldProblem(name, "is required")
    if error["type"] == "extra_forbidden":
        return FieldProblem(name, unknown_name(name, known))
    return FieldProblem(name, str(error["msg"])[:300])


def _name(loc: Sequence[int | str]) -> str:
    """The path without its first part, which only says where the value was: body, query, path or header."""
    parts = [str(part) for part in loc[1:]]
    return ".".join(parts)[:LONGEST_NAME] or "body"


def unknown_name(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name[:LONGEST_NAME].lower(), known, n=1)
    if near:
        return f"is not known; did you mean {near[0]}?"
    return f"is not known; known: {', '.join(known)}" if known else "is not known"
