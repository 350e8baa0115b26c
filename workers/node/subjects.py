"""The models under evaluation: the base, and the base with its adapter (or a fully trained model), on one device."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    StoppingCriteria,
)

from workers.node.job import EvaluateTask, Format
from workers.node.prompts import IGNORED, Example, encode
from workers.node.score import Score

Row = list[Example]
"""The sequences of one held-out row."""


class Subjects:
    """Named models that share a tokenizer; an adapter shares the base's weights as well."""

    def __init__(self, models: dict[str, Any], tokenizer: Any, task: EvaluateTask) -> None:
        self._models = models
        self._tokenizer = tokenizer
        self._task = task
        self._device = next(iter(models.values())).device

    @property
    def names(self) -> tuple[str, ...]:
        """`base`, and `tuned` when there is one, in the order of evaluation."""
        return tuple(self._models)

    @property
    def tokenizer(self) -> Any:
        """The one that every subject reads and answers with."""
        return self._tokenizer

    @property
    def batch_size(self) -> int:
        """Rows at a time."""
        return self._task.batch_size

    @property
    def sequence_len(self) -> int:
        """The longest sequence that is given to a model, in tokens."""
        return self._task.sequence_len

    @contextmanager
    def model(self, name: str) -> Iterator[Any]:
        """The model of one subject; while it is held, an adapter that the base shares is off for the base."""
        with torch.inference_mode(), _as_subject(self._models[name], name):
            yield self._models[name]

    def rows(self, path: Path, row_format: Format) -> tuple[list[Row], int]:
        """The rows that fit `sequence_len`, and how many there are in all: training drops the longer ones too."""
        with path.open(encoding="utf-8") as stream:
            raw = [json.loads(line) for line in stream]
        length = self._task.sequence_len
        rows = [encode(row, row_format, self._tokenizer, length) for row in raw]
        return [row for row in rows if all(len(example.input_ids) <= length for example in row)], len(raw)

    def score(self, name: str, rows: Sequence[Row], should_stop: Callable[[], bool]) -> Score | None:
        """Loss and exact match of one subject on a batch of rows; None when `should_stop` cut it short."""
        with self.model(name) as model:
            nll, tokens = self._loss(model, [example for row in rows for example in row])
            answers = [row[0] for row in rows if row[0].prompt_ids is not None]
            said = self._answers(model, answers, should_stop) if answers else []
        if said is None:
            return None
        right = sum(text.strip() == (example.answer or "").strip() for text, example in zip(said, answers, strict=True))
        return Score(nll=nll, tokens=tokens, rows=len(rows), matches=right, answered=len(answers))

    def _loss(self, model: Any, examples: Sequence[Example]) -> tuple[float, int]:
        """Summed negative log-likelihood (nats) of the labelled tokens, and their number."""
        ids, mask = self._padded([example.input_ids for example in examples], left=False)
        labels = torch.full_like(ids, IGNORED)
        for index, example in enumerate(examples):
            labels[index, : len(example.labels)] = torch.tensor(example.labels)
        logits = model(input_ids=ids, attention_mask=mask).logits[:, :-1]
        targets = labels[:, 1:]
        predicted = targets != IGNORED
        # Only the labelled positions are widened to float32: a whole batch over a large vocabulary would not fit.
        nll = torch.nn.functional.cross_entropy(logits[predicted].float(), targets[predicted], reduction="sum")
        return float(nll), int(predicted.sum())

    def _answers(self, model: Any, examples: Sequence[Example], should_stop: Callable[[], bool]) -> list[str] | None:
        """What the model says, greedily; None when stopped on the way."""
        ids, mask = self._padded([example.prompt_ids or () for example in examples], left=True)
        watch = _Watch(should_stop)
        said = model.generate(
            input_ids=ids,
            attention_mask=mask,
            max_new_tokens=self._task.max_new_tokens,
            do_sample=False,
            temperature=None,
            top_p=None,
            top_k=None,
            pad_token_id=self._pad,
            eos_token_id=self._tokenizer.eos_token_id,
            stopping_criteria=[watch],
        )
        if watch.fired:
            return None
        texts: list[str] = self._tokenizer.batch_decode(said[:, ids.shape[1] :], skip_special_tokens=True)
        return texts

    def _padded(self, sequences: Sequence[Sequence[int]], *, left: bool) -> tuple[Any, Any]:
        """Ids and attention mask, each (batch, longest), on the device."""
        width = max(len(sequence) for sequence in sequences)
        ids = torch.full((len(sequences), width), self._pad, dtype=torch.long)
        mask = torch.zeros_like(ids)
        for index, sequence in enumerate(sequences):
            place = slice(width - len(sequence), width) if left else slice(0, len(sequence))
            ids[index, place] = torch.tensor(sequence, dtype=torch.long)
            mask[index, place] = 1
        return ids.to(self._device), mask.to(self._device)

    @property
    def _pad(self) -> int:
        tokenizer = self._tokenizer
        return int(tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id)


class _Watch(StoppingCriteria):  # type: ignore[misc,unused-ignore]
    """Ends a generation when time is up, and remembers that it did."""

    def __init__(self, should_stop: Callable[[], bool]) -> None:
        self._should_stop = should_stop
        self.fired = False

    def __call__(self, input_ids: Any, scores: Any, **_: Any) -> Any:
        del scores
        self.fired = self.fired or self._should_stop()
        return torch.full((input_ids.shape[0],), self.fired, dtype=torch.bool, device=input_ids.device)


def load_subjects(task: EvaluateTask) -> Subjects:
    """Load from local folders or the hub, in bfloat16 on a GPU and float32 on a CPU."""
    on_gpu = torch.cuda.is_available()
    models = {"base": _model(task.base_model, on_gpu)}
    if task.tuned_dir is not None:
        if (Path(task.tuned_dir) / "adapter_config.json").is_file():
            from peft import PeftModel

            shared = task.tuned_base in (None, task.base_model)
            beneath = models["base"] if shared else _model(str(task.tuned_base), on_gpu)
            adapted = PeftModel.from_pretrained(beneath, task.tuned_dir).eval()
            # One set of weights where it can be: then `base` is this very model with its adapter switched off.
            models = {"base": adapted if shared else models["base"], "tuned": adapted}
        else:
            models["tuned"] = _model(task.tuned_dir, on_gpu)
    return Subjects(models, AutoTokenizer.from_pretrained(task.base_model), task)


def _model(name: str, on_gpu: bool) -> Any:
    dtype = torch.bfloat16 if on_gpu else torch.float32
    model = AutoModelForCausalLM.from_pretrained(name, dtype=dtype)
    return model.to("cuda" if on_gpu else "cpu").eval()


@contextmanager
def _as_subject(model: Any, name: str) -> Iterator[None]:
    if name == "base" and hasattr(model, "disable_adapter"):
        with model.disable_adapter():
            yield
    else:
        yield
