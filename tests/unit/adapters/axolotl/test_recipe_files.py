"""The recipes that come with the project: whole configurations that are adopted as they stand."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.adapters.axolotl.adoption import adopt_recipe
from orchestrator.adapters.axolotl.recipe_text import parse_recipe
from orchestrator.adapters.axolotl.translation import INTO_OPTIM_ARGS, RENAMED
from orchestrator.domain.recipe import TrainingShape
from orchestrator.domain.techniques import techniques_in
from orchestrator.ports.trainer import AdoptedDataset, Adoption

RECIPES = Path(__file__).resolve().parents[4] / "recipes"
TECHNIQUES = {
    "config_dora_neftune.yaml": ("lora", "dora", "neftune", "lora_plus", "rslora"),
    "config_galore.yaml": ("galore",),
    "config_orpo.yaml": ("lora", "orpo"),
    "config_relora.yaml": ("lora",),
}


def adopted(name: str) -> Adoption:
    return adopt_recipe(parse_recipe((RECIPES / name).read_text(encoding="utf-8")))


def test_every_recipe_is_listed_here() -> None:
    assert {path.name for path in RECIPES.glob("config_*.yaml")} == set(TECHNIQUES)


@pytest.mark.parametrize(("name", "techniques"), TECHNIQUES.items())
def test_a_recipe_is_adopted_whole_and_uses_its_strategys_techniques(name: str, techniques: tuple[str, ...]) -> None:
    adoption = adopted(name)
    assert adoption.problems == ()
    assert techniques_in(adoption.settings) == techniques
    assert adoption.model == "Qwen/Qwen2.5-7B"
    assert adoption.dataset is not None
    assert adoption.seed == 42
    assert TrainingShape.from_recipe(adoption.settings).steps(1600, 1) >= 100


@pytest.mark.parametrize("name", TECHNIQUES)
def test_a_recipe_needs_no_translation_and_leaves_nothing_to_be_filled_in(name: str) -> None:
    assert not parse_recipe((RECIPES / name).read_text(encoding="utf-8")).keys() & {*RENAMED, *INTO_OPTIM_ARGS}
    assert not [note for note in adopted(name).notes if "is not set" in note or "is read as a number" in note]


def test_strategy_as_values_are_the_books_at_a_rate_that_their_scale_bears() -> None:
    settings = adopted("config_dora_neftune.yaml").settings
    assert (settings["lora_r"], settings["lora_alpha"], settings["loraplus_lr_ratio"]) == (128, 256, 16)
    assert (settings["learning_rate"], settings["max_grad_norm"]) == (5e-5, 1.0)


def test_the_orpo_recipe_reads_pairs() -> None:
    dataset = AdoptedDataset("argilla/ultrafeedback-binarized-preferences-cleaned", "chat_pairs")
    assert adopted("config_orpo.yaml").dataset == dataset
