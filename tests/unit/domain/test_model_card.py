"""The model card says what was done and measured, and no name in it can break it."""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from typing import Any

import pytest
import yaml
from huggingface_hub import ModelCard
from markdown_it import MarkdownIt
from markdown_it.token import Token

from orchestrator.domain.baseline import Baseline
from orchestrator.domain.card_facts import CardFacts
from orchestrator.domain.card_text import code, is_hub_id, number, plain, quoted, words
from orchestrator.domain.ids import RunId
from orchestrator.domain.lifecycle import Outcome
from orchestrator.domain.model_card import model_card
from orchestrator.domain.run import DatasetRef
from orchestrator.domain.stages import StageKind
from tests.unit.domain.card_examples import TUNED, facts

HUB = DatasetRef("tatsu-lab/alpaca", "alpaca", 52_002, 64, is_local=False)
HOSTILE = [
    'a"b', "a: b", "a\n---\nevil: true", "- a", "# a", "{{a}}", "a # b", "!!python/object:os.system", "*a*", "`a`",
    "``", "`", "<script>alert(1)</script>", "[a](javascript:alert(1))", "![a](http://evil/x.png)", "a | b | c",
    "a|\n|---|", "\\", "a\\", "http://evil.example/", "www.evil.example", "$a$", "a\x00b", "\u2028---\u2028", "\x85",
    "\ud83d", "\u202egnp.exe", "x" * 5000, "```\nevil", "~~~", "null", "yes", "1e5", "=1+1", "", "  ",
    "\U0001f600 ünï",
]  # fmt: skip


def head(card: str) -> dict[str, Any]:
    """The YAML of a card, read by another reader than the one that wrote it."""
    parts = re.split(r"^---$", card, flags=re.MULTILINE)
    assert parts[0] == ""
    document: dict[str, Any] = yaml.safe_load(parts[1])
    return document


def tokens(card: str) -> list[Token]:
    """Everything that a reader of the Markdown would see, front matter taken off."""
    found: list[Token] = []
    body = card.split("\n---\n", 1)[1]
    for token in MarkdownIt("gfm-like", {"linkify": False}).enable("table").parse(body):
        found += [token, *(token.children or [])]
    return found


def headings(card: str) -> list[str]:
    seen = tokens(card)
    return [seen[index + 1].content for index, token in enumerate(seen) if token.type == "heading_open"]


def test_the_head_says_what_the_hub_wants_to_know() -> None:
    card = model_card(facts(model="HuggingFaceTB/SmolLM2-135M", model_is_local=False, dataset=HUB))
    document = head(card)
    assert document["base_model"] == "HuggingFaceTB/SmolLM2-135M"
    assert document["base_model_relation"] == "adapter"
    assert (document["library_name"], document["pipeline_tag"]) == ("peft", "text-generation")
    assert document["datasets"] == ["tatsu-lab/alpaca"]
    assert document["tags"] == ["latticeforge", "lora"]
    assert "license" not in document
    assert [each["metrics"][0]["value"] for each in document["model-index"][0]["results"]] == [1.5, 0.5]


def test_the_hubs_own_reader_understands_the_figures() -> None:
    data = ModelCard(model_card(facts(dataset=HUB))).data
    results = data.eval_results
    assert results is not None
    assert [(each.metric_type, each.metric_value) for each in results] == [("loss", 1.5), ("exact_match", 0.5)]
    assert {each.dataset_type for each in results} == {"tatsu-lab/alpaca"}


def test_local_models_and_datasets_are_named_without_their_paths_and_not_as_the_hubs() -> None:
    card = model_card(facts(model="/home/me/secret/tiny", dataset=DatasetRef("/home/me/rows.jsonl", "alpaca", 800, 64)))
    assert "/home/me" not in card
    assert "`tiny`" in card
    assert "`rows.jsonl`" in card
    assert not head(card).keys() & {"base_model", "datasets"}


def test_the_card_tells_method_rows_money_and_end() -> None:
    card = model_card(facts(strategy="dora_neftune"))
    for told in (
        "<https://arxiv.org/abs/2402.09353>", "300 of 300", "800 rows trained on, 64 rows kept out", "Seed: 42",
        "Settled 0.111112 dollars, of a budget of 0.50 dollars.", "0.111112 |", "4.00", "It completed", "-1.75", "+0.5",
        '"peft_use_dora": true', "“+15 % on commonsense",
    ):  # fmt: skip
        assert told in card, told
    assert headings(card) == [
        "tiny, dora\\_neftune", "What was measured", "What was trained", "On what", "For how much", "How it ended",
        "How to load it", "What this card claims",
    ]  # fmt: skip


def test_a_baseline_stands_beside_the_figures() -> None:
    baseline = Baseline(RunId("run_baseline0000"), ({**TUNED, "heldout_loss": 1.75, "exact_match": 0.25},))
    card = model_card(facts(strategy="dora_neftune", more={"baseline": baseline}))
    assert "| Held-out loss | 64 | 3.25 | 1.5 | -1.75 | 1.75 |" in card
    assert "run_baseline0000" in card
    assert "baseline (LoRA)" not in model_card(facts())


def test_a_run_without_figures_says_so_and_claims_none() -> None:
    ended = facts()
    bare = replace(ended.run, stages=tuple(replace(each, results=()) for each in ended.run.stages))
    card = model_card(replace(ended, run=bare))
    assert "Nothing: the run has no evaluation." in card
    assert "model-index" not in head(card)


@pytest.mark.parametrize("outcome", [*Outcome, None])
def test_every_end_is_told(outcome: Outcome | None) -> None:
    ended = facts()
    card = model_card(replace(ended, run=replace(ended.run, outcome=outcome, reason="because of *this*")))
    assert "Reason: because of \\*this\\*" in card


def snippet(card: str) -> str:
    return card.split("```python\n")[1].split("\n```\n")[0]


def test_an_adapter_is_loaded_onto_its_base() -> None:
    code_ = snippet(model_card(facts(model="org/model", model_is_local=False, more={"repo": "me/it"})))
    ast.parse(code_)
    assert 'from_pretrained("org/model")' in code_
    assert 'PeftModel.from_pretrained(base, "me/it")' in code_


def test_a_model_is_loaded_by_itself() -> None:
    card = model_card(facts(strategy="galore", more={"repo": "me/it"}))
    ast.parse(snippet(card))
    assert 'AutoModelForCausalLM.from_pretrained("me/it")' in card
    assert "peft" not in snippet(card)
    assert head(card)["library_name"] == "transformers"


def test_an_adapter_on_a_model_that_the_run_made_is_loaded_from_beside_it() -> None:
    card = model_card(facts("/1", "/2/merged", "/3", strategy="relora", more={"repo": "me/it"}))
    ast.parse(snippet(card))
    assert 'from_pretrained("me/it", subfolder="base")' in card
    assert "/2/merged" not in card


def hostile(name: str) -> CardFacts:
    """A run whose every name is `name`."""
    dataset = DatasetRef(name, name, 800, 64, name)
    ended = facts(name=name, model=name, dataset=dataset, preferences=replace(dataset, is_local=False))
    stages = tuple(
        replace(each, results=tuple({**one, "task": name, "metric": name, "value": 1.0, "samples": 3}
                                    for one in each.results))
        if each.kind is StageKind.EVALUATE else each
        for each in ended.run.stages
    )  # fmt: skip
    specs = tuple(replace(each, title=name, recipe={**each.recipe, name: name}) for each in ended.run.spec.stages)
    spec = replace(ended.run.spec, stages=specs, model_is_local=False)
    return replace(ended, run=replace(ended.run, stages=stages, spec=spec, reason=name or "none"), repo=name)


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_can_break_the_yaml(name: str) -> None:
    card = model_card(hostile(name))
    document = head(card)
    assert document.keys() <= {"library_name", "pipeline_tag", "base_model", "base_model_relation", "datasets", "tags",
                               "metrics", "model-index"}  # fmt: skip
    index = document["model-index"][0]
    assert isinstance(index["name"], str)
    for result in index["results"]:
        assert all(isinstance(each, str) for each in result["dataset"].values())
        assert result["metrics"][0]["value"] == 1.0


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_can_break_the_markdown(name: str) -> None:
    expected = model_card(hostile("harmless" if is_hub_id(name) else "harmless words"))
    card = model_card(hostile(name))
    card.encode()
    assert [each.type for each in tokens(card) if each.type.endswith(("_open", "fence"))] == [
        each.type for each in tokens(expected) if each.type.endswith(("_open", "fence"))
    ]
    assert not [each for each in tokens(card) if each.type in {"html_block", "html_inline", "image"}]
    links = {str(each.attrs["href"]) for each in tokens(card) if each.type == "link_open"}
    assert all(link.startswith("https://arxiv.org/abs/") for link in links)


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_can_break_the_code(name: str) -> None:
    ast.parse(snippet(model_card(hostile(name))))


@pytest.mark.parametrize("name", HOSTILE)
def test_every_form_of_a_name_is_one_printable_line(name: str) -> None:
    for form in (plain, words, code, quoted):
        assert form(name).isprintable()
    assert yaml.safe_load(quoted(name)) == plain(name)


@pytest.mark.parametrize(("value", "text"), [(1e-05, "0.00001"), (1.5, "1.5"), (0.0, "0.0"), (-2.0, "-2.0")])
def test_a_number_is_one_to_every_reader_of_yaml(value: float, text: str) -> None:
    assert number(value) == text
    assert yaml.safe_load(text) == value
