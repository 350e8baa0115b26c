"""Preference pairs: brought into one form, and from there into what each trainer reads.

Axolotl's `orpo.chat_template.argilla` takes messages in turn for user and assistant, whatever their roles say, and
knows a system message only under a key of its own; a dataset without `type` it takes for finished texts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from workers.node.job import DatasetTask, Format
from workers.node.prompts import alpaca_prompt
from workers.node.rows import ANSWERING_ROLES, SINGLE_SHAPES, Row, optional_text_of, text_of, turns_of

ANSWERS = ("chosen", "rejected")
_SPOKEN_AS = {"human": "user", "gpt": "assistant"}
_SUPERVISED: Mapping[Format, Format] = {"alpaca_pairs": "alpaca", "chat_pairs": "messages"}


def is_pairs(row_format: Format) -> bool:
    """Whether a row holds a chosen and a rejected answer."""
    return row_format in _SUPERVISED


def heldout_form(dataset: DatasetTask) -> Format:
    """The format of the rows in heldout.jsonl, which are never pairs."""
    row_format = dataset.heldout_format or dataset.format
    return _SUPERVISED.get(row_format, row_format)


def chosen_row(row: Row, row_format: Format) -> Row:
    """The row with its chosen answer alone, in the supervised form; a row that is no pair as it is."""
    if row_format == "alpaca_pairs":
        return {"instruction": row["instruction"], "input": row["input"], "output": row["chosen"]}
    return {"messages": row["chosen"]} if row_format == "chat_pairs" else row


def preference_row(row: Row, row_format: Format) -> Row:
    """The pair as the preference trainer reads it.

    Texts are rendered here, exactly as for the supervised trainer; conversations are rendered by the model's own
    template, on the node. Every row has the same keys: a dataset's columns are those of its first rows.
    """
    if row_format == "alpaca_pairs":
        prompt = alpaca_prompt(row["instruction"], row["input"])
        return {"prompt": prompt, "chosen": row["chosen"], "rejected": row["rejected"]}
    system, chosen = _parted(row["chosen"])
    return {"system": system, "chosen": chosen, "rejected": _parted(row["rejected"])[1]}


def _parted(turns: list[Row]) -> tuple[str, list[Row]]:
    if turns[0]["role"] == "system":
        return turns[0]["content"], turns[1:]
    return "", turns


def _alpaca_pair(row: Row) -> Row:
    pair = {
        "instruction": text_of(row, "instruction"),
        "input": optional_text_of(row, "input"),
        **{name: text_of(row, name) for name in ANSWERS},
    }
    _refuse_alike(pair["chosen"], pair["rejected"])
    return pair


def _chat_pair(row: Row) -> Row:
    """Two conversations that share all but their last message, an answer."""
    for name in ANSWERS:
        if name not in row:
            raise ValueError(f"{name!r} is missing")
    chosen, rejected = (_conversation(row, name) for name in ANSWERS)
    if chosen[:-1] != rejected[:-1]:
        raise ValueError("'chosen' and 'rejected' differ before their last message: they answer different prompts")
    _refuse_disorder([turn["role"] for turn in chosen[:-1]])
    _refuse_alike(chosen[-1]["content"], rejected[-1]["content"])
    return {"chosen": chosen, "rejected": rejected}


def _conversation(row: Row, name: str) -> list[Row]:
    other = row["rejected" if name == "chosen" else "chosen"]
    if isinstance(row[name], str) and isinstance(other, str):
        return [*_prompt(row), {"role": "assistant", "content": text_of(row, name)}]
    if not isinstance(row[name], list) or not isinstance(other, list):
        raise ValueError("'chosen' and 'rejected' must both be texts or both be lists of messages")
    turns = turns_of(row[name], name)
    if turns[-1]["role"] not in ANSWERING_ROLES:
        raise ValueError(f"the last message of {name!r} is from {turns[-1]['role']!r}: there is no answer to prefer")
    # An answer without what was asked stands beside a prompt; full conversations need none, and may repeat it.
    return _spoken(turns) if len(turns) > 1 else [*_prompt(row), *_spoken(turns)]


def _prompt(row: Row) -> list[Row]:
    prompt: Any = row.get("prompt")
    if isinstance(prompt, list):
        return _spoken(turns_of(prompt, "prompt"))
    return [{"role": "user", "content": text_of(row, "prompt")}]


def _spoken(turns: list[Row]) -> list[Row]:
    return [{**turn, "role": _SPOKEN_AS.get(turn["role"], turn["role"])} for turn in turns]


def _refuse_disorder(roles: list[str]) -> None:
    if roles[0] == "system":
        roles = roles[1:]
    if roles != ["user", "assistant"] * (len(roles) // 2) + ["user"]:
        order = ", ".join(roles) or "nobody"
        raise ValueError(
            f"before the answer spoke {order}; pairs are an optional system message, then user and assistant in turn"
        )


def _refuse_alike(chosen: str, rejected: str) -> None:
    if chosen == rejected:
        raise ValueError("'chosen' equals 'rejected': there is nothing to prefer")


SHAPES: Mapping[Format, Callable[[Row], Row]] = {
    **SINGLE_SHAPES,
    "alpaca_pairs": _alpaca_pair,
    "chat_pairs": _chat_pair,
}
"""By format: the row reduced to the keys of its format; ValueError says what is wrong with it."""
