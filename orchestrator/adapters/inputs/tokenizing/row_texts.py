"""What of a row is tokenised, by format: the prompt around it included, as Axolotl 0.19 has it.

Sources: Axolotl `prompters.AlpacaPrompter`, `prompt_strategies.orpo.chat_template.argilla`; the node's own rendering is
`workers/node/prompts.py` and `pairs.py`, which travel alone. Rows are taken as checked (`rows.PROBLEM_OF`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Turns = list[dict[str, str]]
Row = Mapping[str, Any]

_TASK = "Below is an instruction that describes a task"
_PAIRED = ", paired with an input that provides further context"
_REQUEST = "Write a response that appropriately completes the request."
_SPOKEN_AS = {"human": "user", "gpt": "assistant"}


def alpaca_prompt(instruction: str, given: str | None) -> str:
    """The prompt up to and including the line `### Response:`."""
    if not given:
        return f"{_TASK}. {_REQUEST}\n\n### Instruction:\n{instruction}\n\n### Response:\n"
    shown = f"### Instruction:\n{instruction}\n\n### Input:\n{given}\n\n### Response:\n"
    return f"{_TASK}{_PAIRED}. {_REQUEST}\n\n{shown}"


def turns_of(row: Row) -> Turns:
    """A conversation with the roles that templates know."""
    return _spoken(row["messages"])


def conversations_of(row: Row) -> tuple[Turns, Turns]:
    """The chosen and the rejected conversation of a chat pair, whole."""
    chosen, rejected = row["chosen"], row["rejected"]
    if isinstance(chosen, str):
        both = ([{"role": "assistant", "content": each}] for each in (chosen, rejected))
        one, other = ([*_prompt(row), *answer] for answer in both)
        return one, other
    one, other = (_spoken(each) if len(each) > 1 else [*_prompt(row), *_spoken(each)] for each in (chosen, rejected))
    return one, other


def plain_texts(row: Row, row_format: str) -> tuple[list[str], list[str]]:
    """The texts of each sequence of a row, one after another: what is there to count where no tokenizer is at hand.
    The second is empty for a row of a single answer."""
    if row_format == "completion":
        return [row["text"]], []
    if row_format == "messages":
        return [turn["content"] for turn in row["messages"]], []
    if row_format == "chat_pairs":
        one, other = conversations_of(row)
        return [turn["content"] for turn in one], [turn["content"] for turn in other]
    prompt = alpaca_prompt(row["instruction"], row.get("input"))
    if row_format == "alpaca":
        return [prompt, row["output"]], []
    return [prompt, row["chosen"]], [prompt, row["rejected"]]


def chosen_only(row: Row, row_format: str) -> Row:
    """The pair as the supervised training reads it: with its chosen answer alone."""
    if row_format == "alpaca_pairs":
        return {"instruction": row["instruction"], "input": row.get("input"), "output": row["chosen"]}
    return {"messages": conversations_of(row)[0]}


def _prompt(row: Row) -> Turns:
    prompt = row["prompt"]
    return _spoken(prompt) if isinstance(prompt, list) else [{"role": "user", "content": prompt}]


def _spoken(turns: list[dict[str, str]]) -> Turns:
    return [{**turn, "role": _SPOKEN_AS.get(turn["role"], turn["role"])} for turn in turns]
