"""A user's YAML file: read as everybody means it, bounded before it is built, and wrong lines named."""

from __future__ import annotations

import time

import pytest

from orchestrator.adapters.axolotl.recipe_text import MAX_CHARACTERS, parse_recipe
from orchestrator.domain.errors import InvalidInputError

LAUGHS = "\n".join(["a0: &a0 [ha, ha]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9))])


def problem(text: str) -> tuple[str, str]:
    with pytest.raises(InvalidInputError) as caught:
        parse_recipe(text)
    return caught.value.problems[0].field, caught.value.problems[0].message


def test_a_learning_rate_without_a_point_is_a_number() -> None:
    assert parse_recipe("learning_rate: 2e-5\nadam_epsilon: 1E-8\nlora_r: 64\nname: 2e-x") == {
        "learning_rate": 2e-5,
        "adam_epsilon": 1e-8,
        "lora_r": 64,
        "name": "2e-x",
    }


def test_a_date_stays_text_which_json_can_carry() -> None:
    assert parse_recipe("wandb_name: 2026-11-24") == {"wandb_name": "2026-11-24"}


def test_an_alias_is_read_when_what_it_stands_for_is_small() -> None:
    assert parse_recipe("a: &x [q, v]\nb: *x") == {"a": ["q", "v"], "b": ["q", "v"]}


@pytest.mark.parametrize(
    ("text", "field", "message"),
    [
        ("", "recipe", "is empty"),
        ("# only a comment\n", "recipe", "is empty"),
        ("- lora_r: 1", "recipe:1", "must be a mapping of settings"),
        ("just words", "recipe:1", "must be a mapping of settings"),
        ("lora_r: 1\nlora_alpha: 2\nlora_r: 3", "recipe:3", "lora_r is set twice, first in line 1"),
        ("{lora_r: 1, lora_r: 1}", "recipe:1", "lora_r is set twice"),
        ("a:\n  b: 1\n  c: 2\n  b: 3", "recipe:4", "b is set twice, first in line 2"),
        ("lora_r: 1\n\tlora_alpha: 2", "recipe:2", "is not YAML: found character '\\t'"),
        ("adapter: lora: 3", "recipe:1", "is not YAML: mapping values are not allowed here"),
        ("a: 1\nb: [1, 2\nc: 3", "recipe:3", "is not YAML"),
        ("a: 1\n---\nb: 2", "recipe:2", "is not YAML: but found another document"),
        ("a: *nobody", "recipe:1", "found undefined alias"),
        ("a: 1\nb: !!python/object/apply:os.system [ls]", "recipe:2", "only plain values are read"),
        ("a: !!binary aGk=", "recipe:1", "only plain values are read"),
        ("a: &x {b: 1}\nc:\n  <<: *x", "recipe:3", "merges another mapping (<<)"),
        ("? [a, b]\n: 1", "recipe:1", "has a key that is not plain text"),
        ("3: 1", "recipe", "has a key that is not a string"),
        ("a: .inf", "recipe.a", "must be a finite number"),
        ("a: 0x_", "recipe", "holds a value that cannot be read"),
        ("a: " + "9" * 5000, "recipe", "holds a value that cannot be read"),
        ("a: \x00", "recipe", "special characters are not allowed"),
        ("a: " + "b" * 5000, "recipe.a", "must not be longer than 4096 characters"),
        ("a: b\n" * MAX_CHARACTERS, "recipe", f"must not be longer than {MAX_CHARACTERS} characters"),
    ],
    ids=[f"case {number}" for number in range(23)],
)
def test_what_cannot_be_read_is_refused_with_its_line(text: str, field: str, message: str) -> None:
    found = problem(text)
    assert found[0] == field
    assert message in found[1]


@pytest.mark.parametrize(
    "text",
    [LAUGHS, "a: &a [*a]", "a: " + "[" * 60_000, "- " * 20_000, "{a: " * 15_000, "a: [" + "x, " * 20_000 + "]"],
    ids=["billion laughs", "holds itself", "brackets", "dashes", "braces", "long list"],
)
def test_a_file_that_would_unfold_without_end_is_refused_at_a_glance(text: str) -> None:
    started = time.perf_counter()
    field, message = problem(text)
    assert field.startswith("recipe")
    assert any(words in message for words in ("unfolds to more", "nested deeper", "holds more than"))
    # Generous: refusing takes a tenth of a second on a quiet machine.
    assert time.perf_counter() - started < 5


@pytest.mark.parametrize("digits", ["1:30", "1:30.5", "1" + ":00" * 300 + ".0", "1" + ":00" * 300])
def test_minutes_and_seconds_are_text_and_no_number_in_base_sixty(digits: str) -> None:
    assert parse_recipe(f"learning_rate: {digits}") == {"learning_rate": digits}


def test_a_doubled_key_that_no_encoding_can_write_is_named_by_its_escape() -> None:
    field, message = problem('"\\uD800": 1\n"\\uD800": 2')
    assert (field, message) == ("recipe:2", "\\ud800 is set twice, first in line 1; keep one")
