"""The model card of a run: what was trained, on what, for how much, with which measured result. Pure.

It is written anew whenever somebody asks, from the run's records, so that it cannot go out of date; for a run that has
ended it is the same each time, until a newer baseline completes.
"""

from __future__ import annotations

from orchestrator.domain import card_sections as sections
from orchestrator.domain.card_facts import CardFacts
from orchestrator.domain.card_metadata import metadata
from orchestrator.domain.card_text import code, words
from orchestrator.domain.card_usage import usage
from orchestrator.domain.result import ResultKind

CARD = "README.md"
"""Its name among a run's files, as the Hub wants it. Whatever a run leaves lies in folders: no file has this name."""

_KINDS = {ResultKind.ADAPTER: "An adapter in PEFT's format", ResultKind.MODEL: "A whole model"}


def model_card(facts: CardFacts) -> str:
    """Markdown with YAML front matter."""
    parts = (
        _head(facts),
        sections.measured(facts),
        sections.trained(facts),
        sections.data(facts),
        sections.cost(facts),
        sections.ending(facts),
        usage(facts),
        sections.claims(facts),
    )
    lines = [*metadata(facts), ""]
    for part in parts:
        lines += [*part, ""]
    return "\n".join(lines)


def _head(facts: CardFacts) -> list[str]:
    made = f"{_KINDS[facts.result.kind]}, made from {code(facts.model_name)} by stage {code(facts.result.stage)}"
    source = f"of LatticeForge's run {code(facts.run.id)}. All of this card is read from the run's own records."
    return [f"# {words(facts.title)}", "", f"{made} {source}"]
