from __future__ import annotations

from itertools import combinations

import pytest

from orchestrator.domain.errors import InvalidInputError
from orchestrator.domain.json_value import JsonValue
from orchestrator.domain.stages import StageKind, StageSpec
from orchestrator.domain.strategies import CUSTOM, STRATEGIES, Wishes, check_techniques, expand, find_strategy
from orchestrator.domain.techniques import TECHNIQUES, Role, incompatible

BUILT = [each.key for each in STRATEGIES if each.key != CUSTOM]


def stages(word: str, **parameters: JsonValue) -> tuple[StageSpec, ...]:
    return expand(find_strategy(word), Wishes(parameters))


def custom(*techniques: str, **parameters: JsonValue) -> tuple[StageSpec, ...]:
    return expand(find_strategy(CUSTOM), Wishes(parameters, techniques))


def kinds(found: tuple[StageSpec, ...]) -> list[str]:
    return [stage.kind.value for stage in found]


def fields(caught: pytest.ExceptionInfo[InvalidInputError]) -> list[str]:
    return [problem.field for problem in caught.value.problems]


@pytest.mark.parametrize("word", ["dora_neftune", "A", "a", " DoRA-NEFTune ", "dora+neftune", "strategy A"])
def test_strategy_a_is_found_by_the_books_names_and_letters(word: str) -> None:
    assert find_strategy(word).key == "dora_neftune"


@pytest.mark.parametrize(
    ("word", "key"),
    [("B", "galore"), ("C", "relora"), ("D", "orpo"), ("split", "split"), ("option 3", "split"), ("baseline", "lora")],
)
def test_the_books_letters_and_options_name_strategies(word: str, key: str) -> None:
    assert find_strategy(word).key == key


def test_an_unknown_strategy_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(InvalidInputError, match="did you mean dora_neftune"):
        find_strategy("dora_neftun")


@pytest.mark.parametrize("nonsense", [None, 7, [], "", "x" * 100_000])
def test_nonsense_is_refused_by_the_fields_name(nonsense: object) -> None:
    with pytest.raises(InvalidInputError) as caught:
        find_strategy(nonsense)
    assert fields(caught) == ["strategy"]
    assert len(str(caught.value)) < 500


def test_strategy_a_is_the_study_books_combination() -> None:
    book = {
        "adapter": "lora",
        "lora_r": 128,
        "lora_alpha": 256,
        "peft_use_dora": True,
        "peft_use_rslora": True,
        "loraplus_lr_ratio": 16,
        "neftune_noise_alpha": 5,
    }
    assert book.items() <= stages("A")[0].recipe.items()


def test_strategy_b_is_the_study_books_galore_in_the_trainers_keys() -> None:
    recipe = stages("B")[0].recipe
    assert recipe["optimizer"] == "galore_adamw_8bit"
    assert recipe["optim_args"] == {"rank": 128, "update_proj_gap": 200, "scale": 0.25}
    assert recipe["optim_target_modules"] == ["self_attn", "mlp"]
    assert "adapter" not in recipe


def test_strategy_c_trains_and_merges_three_times_at_rank_64() -> None:
    found = stages("C")
    assert kinds(found) == ["train", "merge"] * 3 + ["evaluate"]
    assert [stage.recipe["lora_r"] for stage in found if stage.kind is StageKind.TRAIN] == [64, 64, 64]
    assert [(stage.cycle, stage.cycles) for stage in found[:-1]] == [(1, 3), (1, 3), (2, 3), (2, 3), (3, 3), (3, 3)]


def test_strategy_d_is_orpo_on_pairs() -> None:
    train = stages("D")[0]
    assert {"rl": "orpo", "orpo_alpha": 0.1}.items() <= train.recipe.items()
    assert train.on_pairs


def test_a_split_budget_merges_in_between_or_continues_the_adapter() -> None:
    assert kinds(stages("split")) == ["train", "merge", "train", "evaluate"]
    first, second, _ = stages("split", handover="continue")
    assert (first.continues, second.continues) == (False, True)
    same = ("lora_r", "lora_alpha", "peft_use_dora", "peft_use_rslora")
    assert [first.recipe[key] for key in same] == [second.recipe[key] for key in same]
    assert "neftune_noise_alpha" not in second.recipe


def test_parameters_reach_the_trainers_keys_and_alpha_follows_the_rank() -> None:
    recipe = stages("relora", rank=8, iterations=2)[0].recipe
    assert (recipe["lora_r"], recipe["lora_alpha"]) == (8, 16)
    assert kinds(stages("relora", iterations=2)) == ["train", "merge"] * 2 + ["evaluate"]
    assert stages("galore", rank=16)[0].recipe["optim_args"] == {"rank": 16, "update_proj_gap": 200, "scale": 0.25}
    assert stages("A", noise_alpha=10, ratio=4)[0].recipe["loraplus_lr_ratio"] == 4


@pytest.mark.parametrize(
    ("word", "name", "value", "why"),
    [
        ("relora", "iteratons", 3, "did you mean iterations"),
        ("relora", "iterations", 0, "from 1 to 20"),
        ("relora", "iterations", 2.5, "whole number"),
        ("relora", "iterations", True, "whole number"),
        ("lora", "noise_alpha", 5, "not a parameter of this strategy"),
        ("split", "handover", "throw", "one of merge, continue"),
        ("full", "rank", 8, "has no parameters"),
        ("A", "noise_alpha", float("nan"), "a number from"),
    ],
)
def test_a_parameter_that_does_not_fit_is_named(word: str, name: str, value: JsonValue, why: str) -> None:
    with pytest.raises(InvalidInputError, match=why) as caught:
        stages(word, **{name: value})
    assert fields(caught) == [f"parameters.{name}"]


def test_a_merged_model_is_made_on_request_and_only_from_an_adapter() -> None:
    assert kinds(expand(find_strategy("A"), Wishes({}, merged=True))) == ["train", "merge", "evaluate"]
    assert kinds(expand(find_strategy("galore"), Wishes({}, merged=True))) == ["train", "evaluate"]
    assert kinds(expand(find_strategy("relora"), Wishes({}, merged=True))) == kinds(stages("relora"))


def test_custom_takes_any_techniques_that_go_together_on_lora_by_default() -> None:
    recipe = custom("dora", "neftune", rank=32)[0].recipe
    assert {"adapter": "lora", "lora_r": 32, "peft_use_dora": True, "neftune_noise_alpha": 5}.items() <= recipe.items()
    assert kinds(custom("relora", "rslora", iterations=2)) == ["train", "merge"] * 2 + ["evaluate"]
    assert custom("full", "neftune")[0].recipe["neftune_noise_alpha"] == 5


@pytest.mark.parametrize(
    ("techniques", "why"),
    [
        (("galore", "dora"), "only the adapter would be trained"),
        (("full", "lora_plus"), "has no adapter"),
        (("lora", "qlora"), "keep one"),
        (("orpo", "neftune"), "ignores NEFTune"),
        (("relora", "qlora"), "quantise them again"),
        (("galore", "relora"), "only the adapter would be trained"),
    ],
)
def test_techniques_that_do_not_go_together_are_refused_with_the_reason(techniques: tuple[str, ...], why: str) -> None:
    with pytest.raises(InvalidInputError, match=why) as caught:
        custom(*techniques)
    assert set(fields(caught)) == {"techniques"}


def test_custom_without_techniques_and_techniques_without_custom_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="needs techniques, or a recipe"):
        custom()
    with pytest.raises(InvalidInputError, match="belongs to strategy custom"):
        expand(find_strategy("lora"), Wishes({}, ("dora",)))


@pytest.mark.parametrize("names", ["dora", 7, [1], ["dorra"], [["dora"]], [*TECHNIQUES, *(f"x{n}" for n in range(9))]])
def test_nonsense_for_techniques_is_refused(names: object) -> None:
    with pytest.raises(InvalidInputError) as caught:
        check_techniques(names)
    assert fields(caught) == ["techniques"]


def test_techniques_are_known_by_the_papers_spelling_too() -> None:
    assert check_techniques(["DoRA", "LoRA+", " rsLoRA", "dora"]) == ("dora", "lora_plus", "rslora")


@pytest.mark.parametrize("word", BUILT)
def test_every_strategy_trains_with_one_method_and_techniques_that_go_together(word: str) -> None:
    for stage in stages(word):
        if stage.kind is StageKind.TRAIN:
            methods = [key for key in stage.techniques if TECHNIQUES[key].role is Role.METHOD]
            assert len(methods) == 1
            assert incompatible(stage.techniques) == ()
    assert kinds(stages(word))[-1] == "evaluate"


def test_words_are_unique_and_techniques_exist() -> None:
    words = [word for each in STRATEGIES for word in (each.key, *each.aliases)]
    assert len(words) == len(set(words))
    assert {name for each in STRATEGIES for name in each.techniques} <= set(TECHNIQUES)


def test_parameters_of_techniques_that_go_together_have_different_names_or_the_same_meaning() -> None:
    for first, second in combinations(TECHNIQUES, 2):
        if incompatible((first, second)):
            continue
        shared = {each.name for each in TECHNIQUES[first].parameters} & {
            each.name for each in TECHNIQUES[second].parameters
        }
        assert not shared, (first, second)


def test_every_technique_says_where_it_comes_from_and_what_it_claims() -> None:
    for technique in TECHNIQUES.values():
        assert technique.paper.startswith("https://arxiv.org/abs/")
        assert technique.claim
        assert technique.cost.source
        for parameter in technique.parameters:
            assert parameter.default is None or parameter.accepts(parameter.default)
