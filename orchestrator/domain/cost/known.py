"""Architectures of common models by name, for quotes without a network."""

from __future__ import annotations

import re
from functools import cache

from orchestrator.domain.cost.architecture import Architecture
from orchestrator.domain.cost.configs import architecture_of
from orchestrator.domain.cost.known_models.entry import Entry
from orchestrator.domain.cost.known_models.gemmas_and_phis import GEMMAS_AND_PHIS
from orchestrator.domain.cost.known_models.llamas import LLAMAS
from orchestrator.domain.cost.known_models.others import OTHERS
from orchestrator.domain.cost.known_models.qwens import QWENS

ENTRIES: tuple[Entry, ...] = (*LLAMAS, *QWENS, *GEMMAS_AND_PHIS, *OTHERS)
LONGEST_NAME = 200
_TUNED = ("meta", "base", "chat", "instruct", "it", "pt", "hf", "sft", "dpo", "unsloth")
_STORED = ("bnb", "4bit", "8bit", "nf4", "awq", "gptq", "int4", "int8", "fp8", "bf16")
_SAME_SHAPE = frozenset((*_TUNED, *_STORED))
"""Words of a name that change nothing in a model's shape: how it was tuned, and how its weights are stored."""
_WORD = re.compile(r"\d+(?:\.\d+)?[a-z]*|[a-z]+")
_Key = tuple[str, ...]


def known(name: str) -> Architecture | None:
    """The architecture of the model that `name` stands for; None when no known one has that family and size.

    A hub id with its owner or without, in any case and with any separators (`meta-llama/Llama-3.1-8B`,
    `llama3.1_8b_instruct`); words about tuning and storage are passed over, and everything else must agree.
    """
    found = _found(name)
    return None if found is None else _architecture(found.id)


def known_names() -> tuple[str, ...]:
    """The hub ids of all known models; a bare name for those that were never published."""
    return tuple(entry.id for entry in ENTRIES)


def _found(name: str) -> Entry | None:
    if len(name) > LONGEST_NAME:
        return None
    # 1_8b is how some write 1.8b, and 3_8b how others write 3-8b: where both are models, the name tells neither.
    keys = {_key(name), _key(re.sub(r"(?<=\d)_(?=\d)", ".", name))}
    found = {entry.id: entry for key in keys if (entry := _INDEX.get(key)) is not None}
    return next(iter(found.values())) if len(found) == 1 else None


def _key(name: str) -> _Key:
    words = _WORD.findall(name.lower().rpartition("/")[2])
    return tuple(word for word in words if word not in _SAME_SHAPE)


@cache
def _architecture(hub_id: str) -> Architecture:
    entry = _INDEX[_key(re.sub(r"(?<=\d)_(?=\d)", ".", hub_id))]
    return architecture_of(entry.id, entry.config)


def _index() -> dict[_Key, Entry]:
    index: dict[_Key, Entry] = {}
    for entry in ENTRIES:
        for name in (entry.id, *entry.aliases):
            key = _key(re.sub(r"(?<=\d)_(?=\d)", ".", name))
            other = index.setdefault(key, entry)
            assert other is entry, f"{name} is {other.id} already"
    return index


_INDEX = _index()
