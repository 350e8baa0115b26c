"""The formats that training rows come in. One table; docs/node-contract.md says what a row of each looks like."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class RowFormat:
    """`keys` names a row's keys in words. `supervised` is the format that its answers are trained and evaluated in:
    its own, or for pairs the one that their chosen answers make."""

    name: str
    keys: str
    supervised: str

    @property
    def is_pairs(self) -> bool:
        """Whether a row holds two answers to the same prompt, the chosen and the rejected one."""
        return self.supervised != self.name


FORMATS: Mapping[str, RowFormat] = MappingProxyType(
    {
        each.name: each
        for each in (
            RowFormat("alpaca", "instruction, output, optionally input", "alpaca"),
            RowFormat("messages", "messages of role and content", "messages"),
            RowFormat("completion", "text", "completion"),
            RowFormat("alpaca_pairs", "instruction, chosen, rejected, optionally input", "alpaca"),
            RowFormat("chat_pairs", "chosen and rejected: messages, or two answers to a prompt", "messages"),
        )
    }
)
"""By name."""

KNOWN_FORMATS = ", ".join(f"{each.name} ({each.keys})" for each in FORMATS.values())
"""All of them in words."""

PAIRS_IN_WORDS = "preference pairs, a chosen and a rejected answer to each prompt: " + " or ".join(
    f"{each.name} ({each.keys})" for each in FORMATS.values() if each.is_pairs
)
"""What training on preferences (ORPO) needs."""


def is_pairs(row_format: str) -> bool:
    """Whether rows of this format are preference pairs; `KeyError` for a format that is not in the table."""
    return FORMATS[row_format].is_pairs


def supervised_form(row_format: str) -> str:
    """The format that rows of this one are evaluated in; `KeyError` for a format that is not in the table."""
    return FORMATS[row_format].supervised


def comparable_formats(row_format: str) -> tuple[str, ...]:
    """The formats that a training on `row_format` may be evaluated on: all with the same supervised form."""
    form = supervised_form(row_format)
    return tuple(each.name for each in FORMATS.values() if each.supervised == form)


def missing_pairs(row_format: str) -> str | None:
    """Why rows of this format cannot be trained on as preferences, and what can; None when they can."""
    if is_pairs(row_format):
        return None
    return f"holds {row_format} rows, which have no rejected answers; training on preferences needs {PAIRS_IN_WORDS}"
