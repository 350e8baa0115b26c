"""The study book's spellings become the keys that Axolotl reads, and the user is told."""

from __future__ import annotations

from orchestrator.adapters.axolotl.translation import translate
from orchestrator.domain.errors import FieldProblem

BOOK_GALORE = {
    "optimizer": "galore_adamw_8bit",
    "galore_rank": 128,
    "galore_update_proj_gap": 200,
    "galore_scale": 0.25,
}


def test_the_books_strategy_a_becomes_axolotls_keys() -> None:
    translated = translate({"lora_r": 128, "lora_use_dora": True, "lora_use_rslora": True}, "overrides")
    assert translated.config == {"lora_r": 128, "peft_use_dora": True, "peft_use_rslora": True}
    assert translated.problems == ()
    assert translated.notes == (
        "lora_use_dora is read as peft_use_dora, as Axolotl calls it",
        "lora_use_rslora is read as peft_use_rslora, as Axolotl calls it",
    )


def test_the_books_galore_becomes_optimizer_arguments_with_the_targets_that_it_needs() -> None:
    translated = translate(BOOK_GALORE, "overrides")
    assert translated.config == {
        "optimizer": "galore_adamw_8bit",
        "optim_args": {"rank": 128, "update_proj_gap": 200, "scale": 0.25},
        "optim_target_modules": ["self_attn", "mlp"],
    }
    assert len(translated.notes) == 4


def test_targets_that_the_user_names_are_kept() -> None:
    translated = translate({**BOOK_GALORE, "optim_target_modules": ["mlp"]}, "overrides")
    assert translated.config["optim_target_modules"] == ["mlp"]


def test_one_setting_in_two_spellings_that_disagree_is_a_problem_at_the_books_spelling() -> None:
    translated = translate({"lora_use_dora": True, "peft_use_dora": False}, "overrides")
    assert [problem.field for problem in translated.problems] == ["overrides.lora_use_dora"]
    arguments = translate({"galore_rank": 64, "optim_args": {"rank": 128}}, "overrides")
    assert [problem.field for problem in arguments.problems] == ["overrides.galore_rank"]


def test_one_setting_in_two_spellings_that_agree_is_no_problem() -> None:
    translated = translate({"lora_use_dora": True, "peft_use_dora": True}, "overrides")
    assert translated.config == {"peft_use_dora": True}
    assert translated.problems == ()


def test_the_number_one_does_not_agree_with_true() -> None:
    assert translate({"lora_use_dora": 1, "peft_use_dora": True}, "overrides").problems


def test_arguments_written_as_text_cannot_be_joined_with_the_books() -> None:
    translated = translate({"galore_rank": 64, "optim_args": "rank=128"}, "overrides")
    assert [problem.field for problem in translated.problems] == ["overrides.galore_rank"]


def test_a_problem_is_moved_to_the_key_that_the_user_wrote() -> None:
    translated = translate({"galore_rank": "x"}, "overrides")
    problem = translated.as_written(FieldProblem("overrides.optim_args.rank", "wrong"), "overrides")
    assert problem == FieldProblem("overrides.galore_rank", "wrong")


def test_what_was_given_is_not_changed() -> None:
    arguments = {"scale": 0.25}
    given = {"optim_args": arguments, "galore_rank": 8}
    translate(given, "overrides")
    assert given == {"optim_args": {"scale": 0.25}, "galore_rank": 8}
    assert arguments == {"scale": 0.25}
