"""The process that counts: rows as lines of JSON on standard input, their lengths as lines on standard output.

Whatever a stranger's tokenizer or template does to memory and time stays in here: both are limited.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from orchestrator.adapters.inputs.tokenizing.chat import ChatTemplate, UnrenderedError
from orchestrator.adapters.inputs.tokenizing.row_texts import (
    Row,
    alpaca_prompt,
    chosen_only,
    conversations_of,
    turns_of,
)
from orchestrator.adapters.inputs.tokenizing.tokenizer import ModelTokenizer

MOST_MEMORY_BYTES = 3 << 30
MOST_CPU_SECONDS = 8
MOST_RENDERED = 8 << 20
"""Characters of one conversation; a row has a mebibyte."""
BATCH_ROWS = 256
BATCH_BYTES = 1 << 20

Length = list[int] | None
"""Needed, width and tokens as in `RowTokens`; None for a row that the template does not render."""


class RowCounter:
    """Counts rows of one format; `masked` of them hold no answer once they are rendered, and `why` is what the
    template said of the last one that it refused."""

    def __init__(self, tokenizer: ModelTokenizer, row_format: str) -> None:
        self.masked = 0
        self.why = ""
        self._tokenizer = tokenizer
        self._count = self._ways()[row_format]
        self._template: ChatTemplate | None = None

    def lengths(self, rows: Sequence[Row]) -> list[Length]:
        """One for each row, in order."""
        return self._count(rows)

    def _ways(self) -> Mapping[str, Callable[[Sequence[Row]], list[Length]]]:
        return {
            "alpaca": self._alpaca,
            "completion": self._completion,
            "messages": self._messages,
            "alpaca_pairs": self._alpaca_pairs,
            "chat_pairs": self._chat_pairs,
        }

    def _alpaca(self, rows: Sequence[Row]) -> list[Length]:
        """Prompt and answer are tokenised apart; an answer loses the token that begins a text, and gains the one that
        ends it."""
        prompts = self._surrounded([alpaca_prompt(row["instruction"], row.get("input")) for row in rows])
        answers = self._surrounded([row["output"] for row in rows])
        bos = self._tokenizer.bos
        return [
            _alike(len(prompt) + self._ended(answer) - (bos is not None and answer[:1] == [bos]))
            for prompt, answer in zip(prompts, answers, strict=True)
        ]

    def _completion(self, rows: Sequence[Row]) -> list[Length]:
        return [_alike(self._ended(ids)) for ids in self._surrounded([row["text"] for row in rows])]

    def _messages(self, rows: Sequence[Row]) -> list[Length]:
        rendered = [self._rendered(self._conversation, row) for row in rows]
        return self._of_rendered(rendered, lambda texts: [_alike(len(ids)) for ids in self._bare(texts)])

    def _alpaca_pairs(self, rows: Sequence[Row]) -> list[Length]:
        return self._pairs(
            [(alpaca_prompt(row["instruction"], row.get("input")), row["chosen"], row["rejected"]) for row in rows]
        )

    def _chat_pairs(self, rows: Sequence[Row]) -> list[Length]:
        rendered = [self._rendered(self._pair, row) for row in rows]
        return self._of_rendered(rendered, self._pairs)

    def _pairs(self, pairs: Sequence[tuple[str, str, str]]) -> list[Length]:
        """Axolotl admits a pair by prompt and answers tokenised apart; TRL trains on them tokenised together, with a
        token that begins a text and one that ends it."""
        apart = self._bare([text for pair in pairs for text in pair])
        joined = self._bare([prompt + answer for prompt, *answers in pairs for answer in answers])
        found: list[Length] = []
        for index in range(len(pairs)):
            prompt, *answers = (len(ids) for ids in apart[3 * index : 3 * index + 3])
            widths = [self._begun(ids) + self._ended(ids) for ids in joined[2 * index : 2 * index + 2]]
            found.append([prompt + max(answers), max(widths), sum(widths)])
        return found

    def _of_rendered(self, rendered: Sequence[Any], count: Callable[[Sequence[Any]], list[Length]]) -> list[Length]:
        counted = iter(count([each for each in rendered if each is not None]))
        return [None if each is None else next(counted) for each in rendered]

    def _rendered(self, render: Callable[[Row], Any], row: Row) -> Any:
        try:
            return render(row)
        except UnrenderedError as error:
            self.why = str(error)
            return None

    def _conversation(self, row: Row) -> str:
        turns = turns_of(row)
        text = self._text(turns)
        self.masked += turns[-1]["content"].strip() not in text
        return text

    def _pair(self, row: Row) -> tuple[str, str, str]:
        chosen, rejected = conversations_of(row)
        prompt = self._text(chosen[:-1], asks=True)
        one, other = (self._text(turns)[len(prompt) :] for turns in (chosen, rejected))
        return prompt, one, other

    def _text(self, turns: list[dict[str, str]], *, asks: bool = False) -> str:
        if self._template is None:
            self._template = self._tokenizer.template()
        text = self._template.render(turns, asks=asks)
        if len(text) > MOST_RENDERED:
            raise UnrenderedError(f"makes {len(text)} characters of one conversation")
        return text

    def _surrounded(self, texts: Sequence[str]) -> list[list[int]]:
        return self._tokenizer.encoded(texts, surrounded=True)

    def _bare(self, texts: Sequence[str]) -> list[list[int]]:
        return self._tokenizer.encoded(texts, surrounded=False)

    def _ended(self, ids: list[int]) -> int:
        """Its length once it ends with the token that ends a text."""
        eos = self._tokenizer.eos
        return len(ids) + (eos is not None and bool(ids) and ids[-1] != eos)

    def _begun(self, ids: list[int]) -> int:
        """What is missing at its beginning."""
        bos = self._tokenizer.bos
        return int(bos is not None and ids[:1] != [bos])


def _alike(length: int) -> Length:
    return [length, length, length]


def count(folder: Path, row_format: str, chosen: bool, stop_after: float, source: IO[bytes], answers: IO[str]) -> None:
    """A line of JSON for each row, then one more with what is to be said about them. After `stop_after` seconds
    of computing, the rows that are left are left out: what is counted does not depend on who else is at work."""
    counter = RowCounter(ModelTokenizer(folder), row_format if not chosen else _supervised(row_format))
    counted = 0
    for batch in _batches(source):
        rows = [chosen_only(row, row_format) for row in batch] if chosen else batch
        for length in counter.lengths(rows):
            answers.write(json.dumps(length) + "\n")
        counted += len(batch)
        if time.process_time() > stop_after:
            break
    answers.write(json.dumps({"masked": counter.masked, "why": counter.why}) + "\n")


def _supervised(row_format: str) -> str:
    return {"alpaca_pairs": "alpaca", "chat_pairs": "messages"}[row_format]


def _batches(source: IO[bytes]) -> Iterator[list[Row]]:
    batch: list[Row] = []
    size = 0
    for line in source:
        batch.append(json.loads(line))
        size += len(line)
        if len(batch) == BATCH_ROWS or size > BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def main() -> int:
    """Arguments: the model's folder, the format, `chosen` or `whole`, seconds. 0, or 1 with the reason on standard
    error."""
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY_BYTES, MOST_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (MOST_CPU_SECONDS, MOST_CPU_SECONDS + 2))
    folder, row_format, part, seconds = sys.argv[1:]
    try:
        count(Path(folder), row_format, part == "chosen", float(seconds), sys.stdin.buffer, sys.stdout)
        sys.stdout.flush()
    except MemoryError:
        complaint = f"it takes more than {MOST_MEMORY_BYTES >> 30} GiB of memory"
    except BaseException as error:  # noqa: BLE001 - a tokenizer that panics in Rust raises no Exception
        complaint = " ".join(f"{error}".split())[:300] or type(error).__name__
    else:
        return 0
    sys.stderr.write(complaint)
    sys.stderr.flush()
    os._exit(1)
