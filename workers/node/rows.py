"""Rows reduced to the keys of their format; ValueError says what is wrong with one that has another shape."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from workers.node.job import Format

ROLES = frozenset({"system", "user", "human", "assistant", "gpt", "tool"})
ANSWERING_ROLES = frozenset({"assistant", "gpt"})

Row = dict[str, Any]


def text_of(row: Mapping[str, Any], name: str) -> str:
    """The text under `name`; ValueError when it is missing, no string or empty."""
    if name not in row:
        raise ValueError(f"{name!r} is missing")
    text = _string(name, row[name])
    if not text.strip():
        raise ValueError(f"{name!r} is empty")
    return text


def optional_text_of(row: Mapping[str, Any], name: str) -> str:
    """The text under `name`, empty where there is none."""
    text = row.get(name)
    return "" if text is None else _string(name, text)


def turns_of(messages: object, name: str) -> list[Row]:
    """Messages of role and content, at least one."""
    if not isinstance(messages, list) or not messages:
        raise ValueError(f"{name!r} must be a list that is not empty")
    return [_turn(f"{name}[{index}]", message) for index, message in enumerate(messages)]


def _turn(place: str, message: object) -> Row:
    if not isinstance(message, dict):
        raise ValueError(f"{place} is not an object")
    unknown = sorted(set(message) - {"role", "content"})
    if unknown:
        # Weights, tool calls and the like would change what is trained; dropping them in silence would be wrong.
        raise ValueError(f"{place} has keys other than role and content: {', '.join(unknown)[:100]}")
    role = message.get("role")
    if not isinstance(role, str) or role not in ROLES:
        raise ValueError(f"{place} has role {str(role)[:40]!r}")
    return {"role": role, "content": text_of(message, "content")}


def _string(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{name!r} is not a string")
    return value


def _alpaca(row: Row) -> Row:
    return {
        "instruction": text_of(row, "instruction"),
        "input": optional_text_of(row, "input"),
        "output": text_of(row, "output"),
    }


def _completion(row: Row) -> Row:
    return {"text": text_of(row, "text")}


def _messages(row: Row) -> Row:
    turns = turns_of(row.get("messages"), "messages")
    if turns[-1]["role"] not in ANSWERING_ROLES:
        raise ValueError(f"the last message is from {turns[-1]['role']!r}: there is no answer to learn")
    return {"messages": turns}


SINGLE_SHAPES: Mapping[Format, Callable[[Row], Row]] = {
    "alpaca": _alpaca,
    "messages": _messages,
    "completion": _completion,
}
"""By format: the row as it is trained on. Pairs are in `pairs`."""
