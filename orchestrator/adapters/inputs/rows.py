"""What a training row must look like, in each of the formats that the node prepares (docs/node-contract.md)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

ROLES = frozenset({"system", "user", "human", "assistant", "gpt", "tool"})
ANSWERING_ROLES = frozenset({"assistant", "gpt"})
PREFERENCE_KEYS = frozenset({"chosen", "rejected"})
_TURN_KEYS = frozenset({"role", "content"})

Row = Mapping[str, object]


def format_of(row: Row) -> str | None:
    """The format that the row's keys speak of, None for none of them."""
    if "messages" in row:
        return "messages"
    if "instruction" in row:
        return "alpaca"
    return "completion" if "text" in row else None


def is_preference(row: Row) -> bool:
    """Whether the row is a pair of answers to choose between, for preference training."""
    return row.keys() >= PREFERENCE_KEYS


def alpaca_problem(row: Row) -> str | None:
    problem = _text_problem(row, "instruction") or _text_problem(row, "output")
    given = row.get("input")
    if problem is None and given is not None and not isinstance(given, str):
        return "'input' is not a string"
    return problem


def completion_problem(row: Row) -> str | None:
    return _text_problem(row, "text")


def messages_problem(row: Row) -> str | None:
    messages = row.get("messages")
    if not isinstance(messages, list) or not messages:
        return "'messages' must be a list that is not empty"
    for index, message in enumerate(messages):
        problem = _turn_problem(message)
        if problem is not None:
            return f"messages[{index}] {problem}"
    if messages[-1]["role"] not in ANSWERING_ROLES:
        return f"the last message is from {messages[-1]['role']!r}: there is no answer to learn"
    return None


PROBLEM_OF: Mapping[str, Callable[[Row], str | None]] = MappingProxyType(
    {"alpaca": alpaca_problem, "messages": messages_problem, "completion": completion_problem}
)
"""By format: what is wrong with a row, None when nothing is."""


def _turn_problem(message: object) -> str | None:
    if not isinstance(message, dict):
        return "is not an object"
    if not message.keys() <= _TURN_KEYS:
        # Weights or tool calls would change what is trained; dropping them in silence would be wrong.
        return f"has keys other than role and content: {', '.join(sorted(message.keys() - _TURN_KEYS))[:100]}"
    role = message.get("role")
    if not isinstance(role, str) or role not in ROLES:
        return f"has role {str(role)[:40]!r}"
    return _text_problem(message, "content")


def _text_problem(row: Row, name: str) -> str | None:
    value = row.get(name)
    if not isinstance(value, str):
        return f"{name!r} is not a string" if name in row else f"{name!r} is missing"
    return None if value and not value.isspace() else f"{name!r} is empty"
