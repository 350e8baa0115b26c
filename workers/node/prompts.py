"""Rows as token ids, with the labels Axolotl would train on: what is evaluated is rendered as what was trained.

Sources: Axolotl 0.19 `prompters.AlpacaPrompter`, `prompt_tokenizers`, `prompt_strategies.chat_template` and
`.completion` with their defaults; a test compares ids and labels with Axolotl's own for each format.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workers.node.job import Format

IGNORED = -100
_WITH_INPUT = (
    "Below is an instruction that describes a task, paired with an input that provides further context. "
    "Write a response that appropriately completes the request.\n\n"
    "### Instruction:\n{instruction}\n\n### Input:\n{input}\n\n### Response:\n"
)
_WITHOUT_INPUT = (
    "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n"
    "### Instruction:\n{instruction}\n\n### Response:\n"
)
_ROLES = {"human": "user", "gpt": "assistant"}
_SENTINELS = ("[[dummy_message]]", "zzdummymessagezz")
"""Two texts that share no first or last character: at each edge at least one of them differs from any content."""
_EOS_REACH = 3
"""How many tokens after an answer its end-of-sequence token may stand and still be trained."""


@dataclass(frozen=True, slots=True)
class Example:
    """One sequence. `labels` is as long as `input_ids`; IGNORED where nothing is to be predicted.

    `prompt_ids` is what the model continues when it answers, and `answer` what it should say; None for completion.
    """

    input_ids: tuple[int, ...]
    labels: tuple[int, ...]
    prompt_ids: tuple[int, ...] | None
    answer: str | None


def encode(row: Mapping[str, Any], row_format: Format, tokenizer: Any, sequence_len: int) -> list[Example]:
    """The sequences of one prepared row: one, or for a long completion one for every `sequence_len` tokens."""
    if row_format == "alpaca":
        return [_alpaca(row, tokenizer, sequence_len)]
    if row_format == "messages":
        return [_messages(row["messages"], tokenizer)]
    return _completion(row["text"], tokenizer, sequence_len)


def alpaca_prompt(instruction: str, text: str) -> str:
    """The prompt up to and including the line `### Response:`."""
    if text:
        return _WITH_INPUT.format(instruction=instruction, input=text)
    return _WITHOUT_INPUT.format(instruction=instruction)


def _alpaca(row: Mapping[str, Any], tokenizer: Any, sequence_len: int) -> Example:
    prompt = _ids(alpaca_prompt(row["instruction"], row["input"]), tokenizer, sequence_len)
    answer = _with_eos(_ids(row["output"], tokenizer, sequence_len), tokenizer, sequence_len)
    if answer and answer[0] == tokenizer.bos_token_id:
        answer = answer[1:]
    labels = [IGNORED] * len(prompt) + answer
    return Example(tuple(prompt + answer), tuple(labels), tuple(prompt), row["output"])


def _completion(text: str, tokenizer: Any, sequence_len: int) -> list[Example]:
    longest = sequence_len * 64
    ids = _with_eos(_ids(text, tokenizer, longest), tokenizer, longest)
    pieces = [tuple(ids[start : start + sequence_len]) for start in range(0, len(ids), sequence_len)]
    return [Example(piece, piece, None, None) for piece in pieces]


def _messages(messages: Sequence[Mapping[str, str]], tokenizer: Any) -> Example:
    turns = [{"role": _ROLES.get(turn["role"], turn["role"]), "content": turn["content"]} for turn in messages]
    text = _rendered(turns, tokenizer)
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    ids: list[int] = list(encoded["input_ids"])
    labels = [IGNORED] * len(ids)
    for index, turn in enumerate(turns):
        if turn["role"] == "assistant":
            for position in _trained(text, turns, index, ids, encoded["offset_mapping"], tokenizer):
                labels[position] = ids[position]
    question = _rendered(turns[:-1], tokenizer, add_generation_prompt=True)
    prompt = tokenizer(question, add_special_tokens=False)["input_ids"]
    return Example(tuple(ids), tuple(labels), tuple(prompt), turns[-1]["content"])


def _trained(
    text: str,
    turns: list[dict[str, str]],
    index: int,
    ids: list[int],
    offsets: Sequence[tuple[int, int]],
    tokenizer: Any,
) -> list[int]:
    """Positions of the content of turn `index` and of the end-of-sequence token that closes it."""
    begin, end = _content_span(text, turns, index, tokenizer)
    inside = [position for position, (start, stop) in enumerate(offsets) if stop > begin and start < end]
    if not inside:
        return []
    after = inside[-1] + 1
    closing = next((p for p in range(after, len(ids)) if ids[p] == tokenizer.eos_token_id), None)
    return [*inside, closing] if closing is not None and closing - after <= _EOS_REACH else inside


def _content_span(text: str, turns: list[dict[str, str]], index: int, tokenizer: Any) -> tuple[int, int]:
    """Where the content of turn `index` stands in `text`: the part that changes when the content is replaced."""
    spans = []
    for sentinel in _SENTINELS:
        replaced = {"role": turns[index]["role"], "content": sentinel}
        other = _rendered([*turns[:index], replaced, *turns[index + 1 :]], tokenizer)
        begin = _shared_prefix(text, other)
        shared = _shared_prefix(text[begin:][::-1], other[begin:][::-1])
        spans.append((begin, len(text) - shared))
    return min(begin for begin, _ in spans), max(end for _, end in spans)


def _shared_prefix(left: str, right: str) -> int:
    pairs = enumerate(zip(left, right, strict=False))
    return next((index for index, (a, b) in pairs if a != b), min(len(left), len(right)))


def _rendered(turns: list[dict[str, str]], tokenizer: Any, *, add_generation_prompt: bool = False) -> str:
    return str(tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=add_generation_prompt))


def _ids(text: str, tokenizer: Any, longest: int) -> list[int]:
    return list(tokenizer(text, truncation=True, max_length=longest)["input_ids"])


def _with_eos(ids: list[int], tokenizer: Any, longest: int) -> list[int]:
    if ids and ids[-1] != tokenizer.eos_token_id and len(ids) < longest:
        return [*ids, tokenizer.eos_token_id]
    return ids
