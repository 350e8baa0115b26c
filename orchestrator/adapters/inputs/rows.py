"""What a training row must look like, in each of the formats that the node prepares (docs/node-contract.md)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from orchestrator.adapters.inputs.pairs import ANSWERS, alpaca_pairs_problem, chat_pairs_problem
from orchestrator.adapters.inputs.turns import (
    ANSWERING_ROLES,
    Row,
    optional_text_problem,
    text_problem,
    turns_problem,
)

_KEY_OF = {"messages": "messages", "instruction": "alpaca", "text": "completion"}
"""The key that tells a format of single answers, in the order in which they are looked for."""
_SINGLE_ANSWERS = ("output", "messages", "text")


def format_of(row: Row) -> str | None:
    """The format that the row's keys speak of, None for none of them."""
    given = [name in row for name in ANSWERS]
    # Published pairs may carry more, such as the chosen conversation as `messages`; half a pair is meant as one, too.
    if all(given) or (any(given) and not any(name in row for name in _SINGLE_ANSWERS)):
        return "alpaca_pairs" if "instruction" in row and not isinstance(row.get("chosen"), list) else "chat_pairs"
    return next((row_format for key, row_format in _KEY_OF.items() if key in row), None)


def alpaca_problem(row: Row) -> str | None:
    return text_problem(row, "instruction") or text_problem(row, "output") or optional_text_problem(row, "input")


def completion_problem(row: Row) -> str | None:
    return text_problem(row, "text")


def messages_problem(row: Row) -> str | None:
    messages = row.get("messages")
    problem = turns_problem(messages, "messages")
    if problem is not None or not isinstance(messages, list):
        return problem
    if messages[-1]["role"] not in ANSWERING_ROLES:
        return f"the last message is from {messages[-1]['role']!r}: there is no answer to learn"
    return None


PROBLEM_OF: Mapping[str, Callable[[Row], str | None]] = MappingProxyType(
    {
        "alpaca": alpaca_problem,
        "messages": messages_problem,
        "completion": completion_problem,
        "alpaca_pairs": alpaca_pairs_problem,
        "chat_pairs": chat_pairs_problem,
    }
)
"""By format: what is wrong with a row, None when nothing is."""
