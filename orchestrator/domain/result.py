"""The result of a run: the newest adapter or model that its stages made, what it needs, and which files are it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from orchestrator.domain.ids import StageId
from orchestrator.domain.run import Run


class ResultKind(StrEnum):
    ADAPTER = "adapter"
    """In PEFT's format; it needs the model that it sits on."""
    MODEL = "model"
    """Whole: merged, or trained in all of its weights."""


@dataclass(frozen=True, slots=True)
class RunResult:
    """What the money bought so far.

    `path` is the node's. `base` is what an adapter sits on and what a model was trained from: the run's own model, or
    the path of a model that an earlier stage made (`base_is_made`).
    """

    kind: ResultKind
    path: str
    base: str
    base_is_made: bool
    stage: StageId


def result_of(run: Run) -> RunResult | None:
    """The result of `run` as it stands, whether it has ended or not; None before there is one."""
    made = next((stage for stage in reversed(run.stages) if stage.kind.makes_model and stage.checkpoint), None)
    if made is None or made.checkpoint is None:
        return None
    if run.makes_whole_model(made):
        return RunResult(ResultKind.MODEL, made.checkpoint, run.spec.model, False, made.id)
    base = run.base_of(made)
    return RunResult(ResultKind.ADAPTER, made.checkpoint, base, base != run.spec.model, made.id)


_TOKENIZER = (
    r"tokenizer\.(json|model)|(tokenizer|special_tokens|processor|preprocessor)_(config|map)\.json|added_tokens\.json"
    r"|vocab\.(json|txt)|merges\.txt|spiece\.model|sentencepiece\.bpe\.model|chat_template\.(jinja|json)"
    r"|additional_chat_templates/[^/]+\.jinja"
)
_WEIGHTS = r"(-[0-9]+-of-[0-9]+)?\.safetensors|\.safetensors\.index\.json"
_FILES = {
    ResultKind.ADAPTER: re.compile(rf"adapter_config\.json|adapter_model({_WEIGHTS})|{_TOKENIZER}"),
    ResultKind.MODEL: re.compile(rf"(generation_)?config\.json|model({_WEIGHTS})|{_TOKENIZER}"),
}


def is_result_file(kind: ResultKind, name: str) -> bool:
    """Whether `name`, relative to the result's folder, is needed to load it.

    A list of what belongs to it rather than of what does not: optimizer states, logs and whatever a new version of the
    trainer leaves beside it stay out.
    """
    return _FILES[kind].fullmatch(name) is not None
