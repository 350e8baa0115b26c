"""Keys and types: every problem names its field, and nothing that a stranger sends breaks the check."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.adapters.axolotl.bounds import MAX_NODES
from orchestrator.adapters.axolotl.review import review_overrides
from orchestrator.adapters.axolotl.schema import MAX_PROBLEMS, check_keys_and_types, known_keys, known_names
from orchestrator.adapters.axolotl.translation import INTO_OPTIM_ARGS, RENAMED

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
JSON_VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
KEYS = st.sampled_from((*known_keys(), *RENAMED, *INTO_OPTIM_ARGS)) | st.text(max_size=8)


def problems(config: Mapping[str, object]) -> dict[str, str]:
    return {problem.field: problem.message for problem in check_keys_and_types(config, "overrides")}


def test_a_real_key_of_the_right_type_is_no_problem() -> None:
    assert problems({"lora_r": 64, "lora_dropout": None, "optim_args": {"rank": 8}, "learning_rate": 1e-4}) == {}


def test_an_unknown_key_names_its_field_and_the_nearest_real_one() -> None:
    found = problems({"lora_alhpa": 16})
    assert list(found) == ["overrides.lora_alhpa"]
    assert found["overrides.lora_alhpa"].endswith("did you mean lora_alpha?")


def test_an_unknown_key_like_nothing_else_gets_no_wild_guess() -> None:
    assert "did you mean" not in problems({"zzzzqqq": 1})["overrides.zzzzqqq"]


@pytest.mark.parametrize(
    ("config", "field", "message"),
    [
        ({"lora_r": "64"}, "overrides.lora_r", 'must be a whole number or null, not "64"'),
        ({"lora_r": True}, "overrides.lora_r", "must be a whole number or null, not true"),
        ({"lora_target_modules": ["q", 1]}, "overrides.lora_target_modules.1", "must be a string, not 1"),
        (
            {"lora_rank_pattern": {"q": 0}},
            "overrides.lora_rank_pattern.q",
            "must be a whole number, more than 0, not 0",
        ),
        ({"special_tokens": {"padd_token": "x"}}, "overrides.special_tokens.padd_token", "did you mean pad_token?"),
        ({"lr_groups": [{"name": "a", "lr": 0.1}]}, "overrides.lr_groups.0", "lacks modules"),
        ({"relora_prune_method": "some"}, "overrides.relora_prune_method", "must be one of magnitude, random, reset"),
    ],
)
def test_a_wrong_value_is_told_where_it_is_and_what_was_wanted(
    config: dict[str, object], field: str, message: str
) -> None:
    found = problems(config)
    assert list(found) == [field]
    assert message in found[field]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (float("nan"), "must be a finite number"),
        (float("inf"), "must be a finite number"),
        (10**5000, "must fit 64 bits"),
        ("\ud800", "holds characters that cannot be stored"),
        ("a\0b", "holds characters that cannot be stored"),
        ("x" * 5000, "must not be longer than"),
        (object(), "must be plain JSON, not object"),
        ({1: 2}, "has a key that is not a string"),
        ({"k" * 200: 2}, "has a key of more than"),
        ({"a\nb": 2}, "has a key with unprintable characters"),
    ],
    # pytest would print the values, and some of them cannot be printed: that is the point.
    ids=[f"case {index}" for index in range(10)],
)
def test_what_json_should_not_hold_is_refused_before_it_is_read(value: object, message: str) -> None:
    assert message in problems({"lora_r": value})["overrides.lora_r"]


def test_a_list_that_holds_itself_is_refused() -> None:
    endless: list[object] = []
    endless.append(endless)
    (message,) = problems({"lora_target_modules": endless}).values()
    assert "nested deeper" in message


def test_deep_nesting_is_refused_without_recursion() -> None:
    deep: object = 1
    for _ in range(100_000):
        deep = [deep]
    (message,) = problems({"lora_r": deep}).values()
    assert "nested deeper" in message


def test_ten_thousand_keys_cost_no_more_than_a_glance() -> None:
    started = time.perf_counter()
    found = problems({f"key_{index}": index for index in range(10_000)})
    assert found == {"overrides": f"holds more than {MAX_NODES} values"}
    assert time.perf_counter() - started < 1


def test_many_unknown_keys_are_listed_to_a_limit_and_then_counted() -> None:
    found = check_keys_and_types({f"lora_r{index}": index for index in range(1500)}, "overrides")
    assert len(found) == MAX_PROBLEMS + 1
    assert found[-1].message == f"and {1500 - MAX_PROBLEMS} more problems"


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.dictionaries(KEYS, JSON_VALUES, max_size=4))
def test_no_json_makes_a_check_raise_and_its_answer_can_always_be_written(config: dict[str, object]) -> None:
    found = (*check_keys_and_types(config, "overrides"), *review_overrides({"adapter": "lora"}, config).problems)
    for problem in found:
        assert problem.field.split(".")[0] in {"overrides", "strategy"}
        json.dumps([problem.field, problem.message], ensure_ascii=False).encode()


def test_the_schema_knows_every_setting_of_axolotl_and_the_names_it_leaves_open() -> None:
    assert len(known_keys()) == 390
    assert {"adamw_torch", "galore_adamw_8bit"} <= known_names("optimizers")
    assert {"cosine", "one_cycle"} <= known_names("lr_schedulers")
