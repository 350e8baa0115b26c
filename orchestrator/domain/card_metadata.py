"""The head of a model card: what the Hub reads of it, as YAML.

No licence is named: the service cannot know which terms the model and the rows came under, and a wrong one is worse.
"""

from __future__ import annotations

from orchestrator.domain.card_facts import CardFacts, dataset_name
from orchestrator.domain.card_text import is_hub_id, number, quoted
from orchestrator.domain.measured import Measure, measures_of, results_of
from orchestrator.domain.result import ResultKind

LIBRARIES = {ResultKind.ADAPTER: "peft", ResultKind.MODEL: "transformers"}
RELATIONS = {ResultKind.ADAPTER: "adapter", ResultKind.MODEL: "finetune"}


def metadata(facts: CardFacts) -> list[str]:
    """The lines between and with the two `---`. Every foreign word is a quoted string."""
    kind = facts.result.kind
    lines = ["---", f"library_name: {LIBRARIES[kind]}", "pipeline_tag: text-generation"]
    if facts.hub_model is not None:
        lines += [f"base_model: {quoted(facts.hub_model)}", f"base_model_relation: {RELATIONS[kind]}"]
    datasets = [each.source for each in facts.datasets if not each.is_local and is_hub_id(each.source)]
    lines += _list("datasets", datasets)
    lines += _list("tags", ["latticeforge", facts.run.spec.strategy, *facts.run.spec.techniques])
    measures = [each for each in measures_of(results_of(facts.run)) if each.after is not None]
    lines += _list("metrics", [each.kind for each in measures])
    return [*lines, *_model_index(facts, measures), "---"]


def _list(key: str, items: list[str]) -> list[str]:
    unique = dict.fromkeys(items)
    return [f"{key}:", *(f"- {quoted(item)}" for item in unique)] if unique else []


def _model_index(facts: CardFacts, measures: list[Measure]) -> list[str]:
    """The measured figures in the form of Papers with Code, which the Hub shows beside the card."""
    if not measures:
        return []
    lines = ["model-index:", f"- name: {quoted(facts.title)}", "  results:"]
    for measure in measures:
        name, type_ = _measured_on(facts, measure)
        assert measure.after is not None, "those without were left out"
        lines += [
            "  - task:",
            '      type: "text-generation"',
            "    dataset:",
            f"      name: {quoted(name)}",
            f"      type: {quoted(type_)}",
            "    metrics:",
            f"    - type: {quoted(measure.kind)}",
            f"      name: {quoted(measure.name)}",
            f"      value: {number(measure.after)}",
        ]
    return lines


def _measured_on(facts: CardFacts, measure: Measure) -> tuple[str, str]:
    """Name and type of what a figure was measured on. A type of the Hub's is a dataset there."""
    if measure.task:
        return measure.task, "lm-evaluation-harness"
    dataset = facts.run.spec.dataset
    is_there = not dataset.is_local and dataset.heldout_source is None and is_hub_id(dataset.source)
    return f"{dataset_name(dataset)} (held-out rows)", dataset.source if is_there else "custom"
