from __future__ import annotations

import pytest

from orchestrator.domain.errors import InvalidInputError, NotBuiltError
from orchestrator.domain.strategies import STRATEGIES, find_strategy
from orchestrator.domain.techniques import TECHNIQUES


@pytest.mark.parametrize("word", ["dora_neftune", "A", "a", " DoRA-NEFTune ", "dora+neftune", "strategy A"])
def test_strategy_a_is_found_by_the_books_names_and_letters(word: str) -> None:
    assert find_strategy(word).key == "dora_neftune"


@pytest.mark.parametrize("word", ["B", "galore", "C", "relora", "D", "orpo", "split"])
def test_a_strategy_that_is_not_built_yet_is_refused_and_not_faked(word: str) -> None:
    with pytest.raises(NotBuiltError, match="not built yet; available now: dora_neftune, lora"):
        find_strategy(word)


def test_an_unknown_strategy_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(InvalidInputError, match="did you mean dora_neftune"):
        find_strategy("dora_neftun")


@pytest.mark.parametrize("nonsense", [None, 7, [], "", "x" * 100_000])
def test_nonsense_is_refused_by_the_fields_name(nonsense: object) -> None:
    with pytest.raises(InvalidInputError) as caught:
        find_strategy(nonsense)
    assert caught.value.problems[0].field == "strategy"
    assert len(str(caught.value)) < 500


def test_strategy_a_is_the_study_books_combination() -> None:
    recipe = find_strategy("A").recipe()
    book = {
        "adapter": "lora",
        "lora_r": 128,
        "lora_alpha": 256,
        "peft_use_dora": True,
        "peft_use_rslora": True,
        "loraplus_lr_ratio": 16,
        "neftune_noise_alpha": 5,
    }
    assert book.items() <= recipe.items()


def test_words_are_unique_and_techniques_exist() -> None:
    words = [word for each in STRATEGIES for word in (each.key, *each.aliases)]
    assert len(words) == len(set(words))
    assert {name for each in STRATEGIES for name in each.techniques} <= set(TECHNIQUES)
