"""Preference pairs: a chosen and a rejected answer to the same prompt, in the spellings that are about.

The trainer's chat template for pairs takes an optional system message and then user and assistant in turn; a pair that
is anything else would be trained as something that its author did not write, so it is a problem of its row.
"""

from __future__ import annotations

from typing import Any

from orchestrator.adapters.inputs.turns import (
    ANSWERING_ROLES,
    Row,
    optional_text_problem,
    text_problem,
    turns_problem,
)

ANSWERS = ("chosen", "rejected")
_ALIKE = "'chosen' equals 'rejected': there is nothing to prefer"
_SPOKEN_AS = {"human": "user", "gpt": "assistant"}


def alpaca_pairs_problem(row: Row) -> str | None:
    """What is wrong with a row of `instruction`, `input`, `chosen` and `rejected`, all texts."""
    for name in ("instruction", *ANSWERS):
        problem = text_problem(row, name)
        if problem is not None:
            return problem
    return optional_text_problem(row, "input") or (_ALIKE if row["chosen"] == row["rejected"] else None)


def chat_pairs_problem(row: Row) -> str | None:
    """What is wrong with a pair of conversations, or of answers to a `prompt`."""
    for name in ANSWERS:
        if name not in row:
            return f"{name!r} is missing"
    chosen, rejected = row["chosen"], row["rejected"]
    if isinstance(chosen, str) and isinstance(rejected, str):
        return _answers_problem(row)
    if isinstance(chosen, list) and isinstance(rejected, list):
        return _conversations_problem(row, chosen, rejected)
    return "'chosen' and 'rejected' must both be texts or both be lists of messages"


def _answers_problem(row: Row) -> str | None:
    for name in ANSWERS:
        problem = text_problem(row, name)
        if problem is not None:
            return problem
    return _prompt_problem(row) or (_ALIKE if row["chosen"] == row["rejected"] else None)


def _conversations_problem(row: Row, chosen: list[Any], rejected: list[Any]) -> str | None:
    for name, turns in zip(ANSWERS, (chosen, rejected), strict=True):
        problem = turns_problem(turns, name)
        if problem is not None:
            return problem
        if turns[-1]["role"] not in ANSWERING_ROLES:
            return f"the last message of {name!r} is from {turns[-1]['role']!r}: there is no answer to prefer"
    if _spoken(chosen[:-1]) != _spoken(rejected[:-1]):
        return "'chosen' and 'rejected' differ before their last message: they answer different prompts"
    # Answers without what was asked stand beside a prompt; full conversations need none, and may repeat it.
    problem = _order_problem(chosen[:-1]) if len(chosen) > 1 else _prompt_problem(row)
    return problem or (_ALIKE if chosen[-1]["content"] == rejected[-1]["content"] else None)


def _prompt_problem(row: Row) -> str | None:
    prompt = row.get("prompt")
    if isinstance(prompt, list):
        return turns_problem(prompt, "prompt") or _order_problem(prompt)
    return text_problem(row, "prompt")


def _order_problem(prompt: list[Any]) -> str | None:
    """What is wrong with who speaks when in what comes before the answer."""
    roles = [role for role, _ in _spoken(prompt)]
    if roles[0] == "system":
        roles = roles[1:]
    expected = ["user", "assistant"] * (len(roles) // 2) + ["user"]
    if roles == expected:
        return None
    order = ", ".join(roles)[:100] or "nobody"
    return f"before the answer spoke {order}; pairs are an optional system message, then user and assistant in turn"


def _spoken(turns: list[Any]) -> list[tuple[str, str]]:
    return [(_SPOKEN_AS.get(turn["role"], turn["role"]), turn["content"]) for turn in turns]
