"""The table of formats: which are pairs, and what may be compared with what."""

from __future__ import annotations

import pytest

from orchestrator.domain.formats import FORMATS, comparable_formats, is_pairs, missing_pairs, supervised_form


@pytest.mark.parametrize(
    ("row_format", "form", "pairs"),
    [
        ("alpaca", "alpaca", False),
        ("messages", "messages", False),
        ("completion", "completion", False),
        ("alpaca_pairs", "alpaca", True),
        ("chat_pairs", "messages", True),
    ],
)
def test_pairs_are_evaluated_in_the_form_of_their_chosen_answers(row_format: str, form: str, pairs: bool) -> None:
    assert (supervised_form(row_format), is_pairs(row_format)) == (form, pairs)
    assert FORMATS[row_format].name == row_format


def test_only_rows_of_one_form_can_be_compared() -> None:
    assert comparable_formats("alpaca") == comparable_formats("alpaca_pairs") == ("alpaca", "alpaca_pairs")
    assert comparable_formats("chat_pairs") == ("messages", "chat_pairs")
    assert comparable_formats("completion") == ("completion",)


def test_what_is_missing_for_preferences_is_told_in_words() -> None:
    assert missing_pairs("alpaca_pairs") is None
    told = missing_pairs("messages")
    assert told is not None
    assert "messages rows, which have no rejected answers" in told
    assert "alpaca_pairs (instruction, chosen, rejected, optionally input)" in told
