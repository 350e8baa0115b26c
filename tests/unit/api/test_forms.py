"""The new-run form: everything that a run can be asked for, read as it was typed, refused beside its field."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from api.typed_text import MAX_CHARACTERS, plain_value, read_pairs, read_settings
from api.web.forms import FIELDS, RunForm
from orchestrator.domain.errors import InvalidInputError
from orchestrator.domain.ids import RunId
from orchestrator.domain.run import Run
from orchestrator.domain.techniques import TECHNIQUES
from orchestrator.ports.store import RunQuery
from tests.unit.api.browsing import FORM, HOSTILE, Browser, Document, started, text_of
from tests.unit.api.serving import Service

WRONG = {
    "budget": "lots", "model": "/etc", "max_hours": "soon", "gpus": "99", "seed": "-1", "tasks": "../task",
    "parameters": "rank", "overrides": "- a list", "name": "x" * 200, "dataset": "/nowhere.jsonl",
}  # fmt: skip


def run_of(service: Service, run_id: str) -> Run:
    return service.store.load(RunId(run_id)).run


def test_every_field_reaches_the_run(browser: Browser, service: Service) -> None:
    heldout = service.home / "heldout.jsonl"
    heldout.write_text((service.home / "rows.jsonl").read_text())
    run_id = started(
        browser,
        strategy="relora",
        budget="1",
        heldout=str(heldout),
        max_hours="0.5",
        gpus="1",
        seed="7",
        tasks="arc_easy, hellaswag",
        parameters="iterations=2\n\n# a comment\nrank = 8",
        overrides="learning_rate: 1e-4\nweight_decay: 0.1",
    )
    spec = run_of(service, run_id).spec
    assert (spec.max_seconds, spec.gpus, spec.seed, dict(spec.parameters)) == (1800, 1, 7, {"iterations": 2, "rank": 8})
    assert spec.dataset.heldout_source == str(heldout)
    assert spec.harness is not None
    assert spec.harness.tasks == ("arc_easy", "hellaswag")
    assert len(spec.trainings) == 2
    assert {spec.trainings[0].recipe[key] for key in ("lora_r", "learning_rate", "weight_decay")} == {8, 1e-4, 0.1}


def test_techniques_are_ticked_for_custom_and_the_adapter_merged(browser: Browser, service: Service) -> None:
    answer = browser.post(
        "/ui/runs", data={**FORM, "strategy": "custom", "techniques": ["dora", "neftune"], "merged": "true"}
    )
    assert answer.status_code == 303, text_of(answer.text)
    spec = run_of(service, answer.headers["location"].removeprefix("/r/")).spec
    assert spec.techniques == ("lora", "dora", "neftune")
    assert [stage.kind.value for stage in spec.stages] == ["train", "merge", "evaluate"]


def test_a_recipe_of_ones_own_is_passed_on_as_it_was_typed(browser: Browser, service: Service) -> None:
    run_id = started(
        browser, strategy="custom", recipe="adapter: lora\nlora_r: 4\nlora_alpha: 8\nlora_use_dora: true\n"
    )
    assert run_of(service, run_id).spec.techniques == ("lora", "dora")
    assert run_of(service, run_id).spec.trainings[0].recipe["lora_r"] == 4


def test_every_wrong_field_is_told_at_once_beside_itself_and_keeps_what_was_typed(
    browser: Browser, service: Service
) -> None:
    for path in ("/ui/runs", "/ui/quotes"):
        page = browser.post(path, data={**FORM, **WRONG})
        assert page.status_code == 422
        document = Document(page.text)
        for name, value in WRONG.items():
            field = document.one(name=name)
            assert field["aria-invalid"] == "true", name
            assert document.one(id=(field["aria-describedby"] or "").split()[0])["class"] == "problem"
            assert value in page.text
    assert service.application.read.page(RunQuery()).readings == ()


def test_hostile_text_in_every_field_is_only_text(browser: Browser) -> None:
    hostile = {name: HOSTILE for name in FIELDS - {"merged", "strategy"}}
    page = browser.post("/ui/runs", data={**hostile, "strategy": "lora", "recipe": "", "token": HOSTILE})
    assert page.status_code == 422
    assert "<script>alert" not in page.text
    assert "</textarea><" not in page.text


def test_a_textarea_cannot_be_closed_from_inside(browser: Browser) -> None:
    page = browser.post("/ui/quotes", data={**FORM, "overrides": "</textarea><script>alert(1)</script>"})
    assert page.status_code == 422
    assert "<script>alert" not in page.text


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"strategy": "custom"}, "techniques"),
        ({"strategy": "custom", "techniques": ["dora", "full"]}, "techniques"),
        ({"techniques": ["dora"]}, "techniques"),
        ({"techniques": [HOSTILE], "strategy": "custom"}, "techniques"),
        ({"parameters": "rank=0"}, "parameters"),
        ({"parameters": "rnak=8"}, "parameters"),
        ({"parameters": "rank=8\nrank=9"}, "parameters"),
        ({"overrides": "lora_rr=8"}, "overrides"),
        ({"overrides": "{"}, "overrides"),
        ({"preferences": "pairs.jsonl"}, "preferences"),
        ({"heldout": "/nowhere.jsonl"}, "heldout"),
        ({"seed": "1.5"}, "seed"),
        ({"tasks": "a b c/d"}, "tasks"),
    ],
)
def test_each_refusal_finds_its_field(browser: Browser, fields: dict[str, Any], place: str) -> None:
    page = browser.post("/ui/quotes", data={**FORM, **fields})
    assert page.status_code == 422
    assert Document(page.text).one(id=f"{place}-problem-1")
    assert page.text.count('<details class="more" open>') == 1


def test_a_recipe_that_cannot_be_read_is_told_by_its_line(browser: Browser) -> None:
    page = browser.post("/ui/quotes", data={**FORM, "strategy": "custom", "recipe": "adapter: lora\nlora_r: [\n"})
    assert re.search(r"line \d: ", text_of(page.text))
    assert Document(page.text).one(id="recipe-problem-1")


def test_what_is_ticked_stays_ticked(browser: Browser) -> None:
    page = browser.post("/ui/quotes", data={**FORM, "techniques": ["dora", "galore"], "merged": "true"})
    ticked = {each["id"] for each in Document(page.text).all("input") if "checked" in each}
    assert ticked == {"technique-dora", "technique-galore", "merged"}


def test_the_first_look_is_three_fields_and_two_folded_sections(browser: Browser) -> None:
    page = browser.get("/").text
    assert page.count('<details class="more">') == 2
    before = page[: page.index('<details class="more">')]
    assert [each["name"] for each in Document(before).all("input") if each.get("type") != "hidden"] == [
        "budget",
        "name",
    ]


def test_the_form_explains_strategies_techniques_parameters_and_quotes_claims(browser: Browser) -> None:
    shown = text_of(browser.get("/").text)
    assert "Claimed: +20-30 % over standard LoRA (study book)" in shown
    assert TECHNIQUES["neftune"].summary in shown
    assert "iterations=3" in shown


def test_a_form_is_read_without_a_service() -> None:
    draft, problems = RunForm(strategy="lora", budget="1", overrides="a=1\nb=x", recipe="  \n").read()
    assert (draft.overrides, draft.recipe, draft.techniques, draft.harness, problems) == (
        {"a": 1, "b": "x"}, None, None, None, (),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", 1), ("1e-4", 1e-4), ("true", True), ("null", None), ('"x"', "x"), ("[1, 2]", [1, 2]), ("x y", "x y"),
     ("NaN", "NaN"), ("Infinity", "Infinity"), ("[" * 100_000, "[" * 100_000)],
)  # fmt: skip
def test_a_value_is_json_or_text(text: str, value: object) -> None:
    assert plain_value(text, "x") == value


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        ("", {}),
        ("# nothing\n", {}),
        ("lora_r=8\noptimizer=adamw_torch\n", {"lora_r": 8, "optimizer": "adamw_torch"}),
        ("optim_args.rank=4", {"optim_args.rank": 4}),
        ("lora_r: 8\nlearning_rate: 2e-5\nname: a=b", {"lora_r": 8, "learning_rate": 2e-5, "name": "a=b"}),
        ('{"lora_r": 8}', {"lora_r": 8}),
        ("day: 2026-01-01", {"day": "2026-01-01"}),
        ("nested:\n  - 1\n  - two: 2", {"nested": [1, {"two": 2}]}),
    ],
)
def test_settings_are_pairs_or_yaml(text: str, settings: dict[str, object]) -> None:
    found = read_settings(text, "overrides")
    assert found == settings
    assert json.loads(json.dumps(found)) == settings


@pytest.mark.parametrize(
    "text",
    ["- 1", "just words", "a: &x [1]\nb: *x", "a: !!python/object:os.system ls", "a: [", "1: 2", "[" * 500,
     "a=1\nnonsense", "a: " + "9" * 5000, "x" * (MAX_CHARACTERS + 1), "a: \x00", "=1", "a: 1\nb: 2\na: 3",
     "a: {b: {1: 2}}", "a: {<<: {b: 1}}"],
)  # fmt: skip
def test_what_is_no_mapping_of_plain_values_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        read_settings(text, "overrides")
    assert {problem.field for problem in refused.value.problems} == {"overrides"}


def test_every_bad_line_is_named() -> None:
    with pytest.raises(InvalidInputError) as refused:
        read_pairs("a=1\nb\n=2\na=3", "parameters")
    said = [problem.message for problem in refused.value.problems]
    assert [re.match(r"line (\d)", message)[1] for message in said] == ["2", "3", "4"]  # type: ignore[index]


def test_a_key_that_is_set_twice_in_yaml_is_named_with_its_line() -> None:
    for text, line in (("a: 1\nb: 2\na: 3", 3), ("x:\n  - a: 1\n    a: 3", 3)):
        with pytest.raises(InvalidInputError, match=f"overrides: line {line} sets a a second time; keep one"):
            read_settings(text, "overrides")


@pytest.mark.parametrize(
    ("field", "typed", "message"),
    [
        ("overrides", "lora_r: 0x" + "f" * 60_000, "a whole number beyond"),
        ("overrides", "lora_r=" + "9" * 60_000, "a whole number beyond"),
        ("overrides", "learning_rate: .inf", "too large a number"),
        ("overrides", "learning_rate: 1" + ":00" * 300 + ".0", "must be a number"),
        ("overrides", 'a: "\\uD800"', "half of a surrogate pair"),
        ("overrides", '"\\uD800": 1\n"\\uD800": 2', "a second time"),
        ("overrides", "a: {1: 2, b: 3}", "a key that is not text"),
        ("parameters", "rank=" + '{"a":' * 900 + "1" + "}" * 900, "nested deeper than 32 levels"),
        ("parameters", "rank=" + '{"a":' * 5000 + "1" + "}" * 5000, "must be a whole number"),
        ("parameters", "rank=" + "9" * 60_000, "a whole number beyond"),
        ("parameters", 'rank="\\uD800"', "half of a surrogate pair"),
        ("parameters", "x" * (MAX_CHARACTERS + 1), "must not be longer"),
        ("parameters", "\n".join(f"k{number}=1" for number in range(1001)), "1000 values are the most"),
        ("recipe", "learning_rate: 1" + ":00" * 300 + ".0", "must be a number"),
        ("recipe", '"\\uD800": 1\n"\\uD800": 2', "is set twice"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_is_too_large_or_means_nothing_is_refused_beside_its_field_by_both_buttons(
    browser: Browser, field: str, typed: str, message: str
) -> None:
    strategy = "custom" if field == "recipe" else "lora"
    for path in ("/ui/quotes", "/ui/runs"):
        page = browser.post(path, data={**FORM, "strategy": strategy, field: typed})
        assert page.status_code == 422
        assert Document(page.text).one(id=f"{field}-problem-1")
        assert message in text_of(page.text)


def test_a_thousand_unknown_parameters_are_counted_and_only_the_first_are_compared(browser: Browser) -> None:
    page = browser.post("/ui/quotes", data={**FORM, "parameters": "\n".join(f"rnak{n}=1" for n in range(1000))})
    assert page.status_code == 422
    assert text_of(page.text).count("did you mean rank?") == 5
    assert "and 980 more that are not known" in text_of(page.text)


@pytest.mark.parametrize("path", ["/ui/quotes", "/ui/runs", "/ui/runs/run_000000000001/budget"])
def test_a_field_that_the_form_does_not_have_is_refused_by_its_name(browser: Browser, path: str) -> None:
    page = browser.post(path, data={"token": "once", "bugdet": "5"})
    assert (page.status_code, "ugdet: is not known" in text_of(page.text)) == (422, True)
