"""Texts and messages: what all formats of rows are made of."""

from __future__ import annotations

from collections.abc import Mapping

ROLES = frozenset({"system", "user", "human", "assistant", "gpt", "tool"})
ANSWERING_ROLES = frozenset({"assistant", "gpt"})
_TURN_KEYS = frozenset({"role", "content"})

Row = Mapping[str, object]


def text_problem(row: Row, name: str) -> str | None:
    """What is wrong with the text under `name`, None when nothing is."""
    value = row.get(name)
    if not isinstance(value, str):
        return f"{name!r} is not a string" if name in row else f"{name!r} is missing"
    return None if value and not value.isspace() else f"{name!r} is empty"


def optional_text_problem(row: Row, name: str) -> str | None:
    """As `text_problem`, for a text that may be empty, null or not there at all."""
    value = row.get(name)
    return None if value is None or isinstance(value, str) else f"{name!r} is not a string"


def turns_problem(turns: object, name: str) -> str | None:
    """What is wrong with the list of messages under `name`, None when nothing is."""
    if not isinstance(turns, list) or not turns:
        return f"{name!r} must be a list that is not empty"
    for index, turn in enumerate(turns):
        problem = _turn_problem(turn)
        if problem is not None:
            return f"{name}[{index}] {problem}"
    return None


def _turn_problem(turn: object) -> str | None:
    if not isinstance(turn, dict):
        return "is not an object"
    if not turn.keys() <= _TURN_KEYS:
        # Weights or tool calls would change what is trained; dropping them in silence would be wrong.
        return f"has keys other than role and content: {', '.join(sorted(turn.keys() - _TURN_KEYS))[:100]}"
    role = turn.get("role")
    if not isinstance(role, str) or role not in ROLES:
        return f"has role {str(role)[:40]!r}"
    return text_problem(turn, "content")
