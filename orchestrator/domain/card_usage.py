"""How to load what a card describes: code that runs as it stands where the names in it mean something."""

from __future__ import annotations

from orchestrator.domain.card_facts import BASE_FOLDER, CardFacts
from orchestrator.domain.card_text import code, literal
from orchestrator.domain.result import ResultKind

HERE = "FOLDER-OF-THESE-FILES"


def usage(facts: CardFacts) -> list[str]:
    place = literal(facts.repo or HERE)
    whole = facts.result.kind is ResultKind.MODEL
    lines = ["## How to load it", ""]
    if facts.result.base_is_made and not whole:
        lines += [
            f"The adapter sits on a model that this run made itself; it is in the folder {code(BASE_FOLDER)}.",
            "",
        ]
    elif facts.hub_model is None and not whole:
        lines += [f"The adapter sits on {code(facts.model_name)}, a local folder that is not part of these files.", ""]
    return [*lines, "```python", *(_model(place) if whole else _adapter(facts, place)), "```"]


def _model(place: str) -> list[str]:
    return [
        "from transformers import AutoModelForCausalLM, AutoTokenizer",
        "",
        f"model = AutoModelForCausalLM.from_pretrained({place})",
        f"tokenizer = AutoTokenizer.from_pretrained({place})",
    ]


def _adapter(facts: CardFacts, place: str) -> list[str]:
    base = f"{literal(facts.model_name)}"
    if facts.result.base_is_made:
        base = f"{place}, subfolder={literal(BASE_FOLDER)}"
    return [
        "from peft import PeftModel",
        "from transformers import AutoModelForCausalLM, AutoTokenizer",
        "",
        f"base = AutoModelForCausalLM.from_pretrained({base})",
        f"model = PeftModel.from_pretrained(base, {place})",
        f"tokenizer = AutoTokenizer.from_pretrained({place})",
    ]
