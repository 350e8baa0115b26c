"""What other caps would buy: every figure that the slider shows is that of a quote, and nonsense is refused by name."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import pytest

from api.web.caps import LOOK, MOST_RUNGS, look_over
from api.web.wording import dollars
from orchestrator.domain.money import parse_dollars
from orchestrator.services.draft import RunDraft
from orchestrator.services.told_rows import ToldTokens
from tests.unit.api.browsing import Browser, Document, text_of
from tests.unit.api.serving import Service

TOLD = {"strategy": "lora", "model": "meta-llama/Llama-3.1-8B", "dataset_tokens": "20M", "where": "clouds"}
HTMX = {"HX-Request": "true"}


def rungs(page: str) -> dict[str, str]:
    """What the slider says at each cap."""
    pieces = re.split(r'<div class="rung" data-cap="([0-9.]+)"', page.split('<details class="caps-table"')[0])
    return {cap: text_of(f"<div {rest}") for cap, rest in zip(pieces[1::2], pieces[2::2], strict=True)}


def asked(browser: Browser, **fields: Any) -> str:
    answer = browser.post("/ui/caps", data={**TOLD, **fields}, headers=HTMX)
    assert answer.status_code == 200, answer.text
    return answer.text


def test_every_cap_shows_what_a_quote_for_it_says(browser: Browser) -> None:
    shown = rungs(asked(browser))
    quoted = browser.post("/quotes", json={**TOLD, "budgets": list(shown)}).json()["quotes"]
    assert [each["budget"] for each in quoted] == list(shown)
    for each, said in zip(quoted, shown.values(), strict=True):
        if each["offer"] is None:
            assert "no training" in said
            continue
        p50, p90 = (dollars(parse_dollars(each[name], name)) for name in ("dollars", "dollars_p90"))
        assert f"{p50} 9 in 10 within {p90}" in said
        assert f"{each['gpus']} × {each['offer']['accelerator']}" in said  # noqa: RUF001 - as people write it
        assert ("Cut by the budget" in said) == (each["limit"] == "budget")


def test_the_caps_lead_from_nothing_to_all_and_the_typed_one_is_among_them(browser: Browser) -> None:
    shown = rungs(asked(browser, budget="3.33"))
    caps = [Decimal(cap) for cap in shown]
    assert caps == sorted(set(caps))
    assert Decimal("3.33") in caps
    said = list(shown.values())
    assert "the least that trains is" in said[0]
    assert "100 %" in said[-1]
    assert all("no training" not in each for each in said[1:])
    slider = Document(asked(browser, budget="3.33")).one(id="cap")
    assert caps[int(slider["value"] or "")] == Decimal("3.33")


def test_without_scripts_the_caps_are_a_table_on_the_whole_page(browser: Browser) -> None:
    page = browser.post("/ui/caps", data={**TOLD, "budget": "7"}).text
    assert "<html" in page
    assert Document(page).one(name="budget")["value"] == "7"
    table = page.split('<details class="caps-table" open>')[1].split("</details>")[0]
    assert len(re.findall('scope="rowgroup"', table)) == len(rungs(page))
    assert Document(page).one(formaction="/ui/caps")
    (slider,) = [each for each in Document(page).all("div") if each.get("class") == "slider"]
    assert "hidden" in slider


def test_a_line_is_drawn_for_tokens_and_one_for_hours(browser: Browser) -> None:
    lines = {each["class"]: each["points"] or "" for each in Document(asked(browser)).all("polyline")}
    assert set(lines) == {"tokens", "hours"}
    heights = [float(point.split(",")[1]) for point in lines["tokens"].split()]
    assert heights == sorted(heights, reverse=True), "more money never buys fewer tokens"


def test_the_limits_of_the_form_are_kept_to(browser: Browser) -> None:
    said = rungs(asked(browser, accelerators="h100", gpus="1", spot="false")).values()
    bought = [each for each in said if "no training" not in each]
    assert bought
    assert all("1 × H100" in each and ", spot" not in each for each in bought)  # noqa: RUF001 - as people write it


def test_where_nothing_is_bought_by_any_cap_the_reason_is_said(browser: Browser) -> None:
    (said,) = rungs(asked(browser, max_hours="0.001")).values()
    assert "no training" in said
    assert "no machine on offer can train within this budget and its limits" in said


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"budget": "lots"}, "budget"),
        ({"budget": "1000000000"}, "budget"),
        ({"where": "moon"}, "where"),
        ({"dataset_tokens": "many"}, "dataset_tokens"),
        ({"dataset_tokens": "", "row_tokens": "400"}, "dataset_tokens"),
        ({"row_tokens": "-1"}, "row_tokens"),
        ({"dataset": "rows.jsonl"}, "dataset_tokens"),
        ({"heldout": "rows.jsonl"}, "dataset_tokens"),
        ({"accelerators": "H2000"}, "accelerators"),
        ({"spot": "perhaps"}, "spot"),
        ({"prefer": "luck"}, "prefer"),
    ],
)
def test_nonsense_is_refused_by_its_name_by_the_slider_and_beside_its_field_on_the_page(
    browser: Browser, fields: dict[str, str], place: str
) -> None:
    alone = browser.post("/ui/caps", data={**TOLD, **fields}, headers=HTMX)
    assert alone.status_code == 422
    assert text_of(alone.text).startswith(place.replace("_", " "))
    for path in ("/ui/caps", "/ui/quotes"):
        whole = browser.post(path, data={**TOLD, "budget": "5", **fields})
        assert whole.status_code == 422
        assert Document(whole.text).one(name=place)["aria-invalid"] == "true"
        assert Document(whole.text).one(id=f"{place}-problem-1")


def test_all_that_is_wrong_is_told_at_once(browser: Browser) -> None:
    page = browser.post("/ui/quotes", data={**TOLD, "budget": "lots", "parameters": "rank", "dataset_tokens": "many"})
    for place in ("budget", "parameters", "dataset_tokens"):
        assert Document(page.text).one(id=f"{place}-problem-1"), place


@pytest.mark.parametrize("place", ["where", "dataset_tokens", "row_tokens"])
def test_a_run_is_not_started_on_what_only_a_quote_can_use(browser: Browser, place: str) -> None:
    wish = {"strategy": "lora", "budget": "0.50", place: {"where": "clouds"}.get(place, "400")}
    answer = browser.post("/ui/runs", data=wish)
    assert answer.status_code == 422
    assert Document(answer.text).one(id=f"{place}-problem-1")


@pytest.mark.parametrize("tokens", [1, 10**6, 10**12])
def test_the_ladder_is_short_whatever_it_leads_over(service: Service, tokens: int) -> None:
    counts = []
    draft = RunDraft("lora", None, model="meta-llama/Llama-3.1-8B")

    def compare(budgets: Any) -> Any:
        counts.append(len(budgets))
        return service.application.quote.compare(draft, ["lora"], budgets, [None], "clouds", ToldTokens(tokens))

    caps = look_over(compare, None)
    assert caps.buys
    assert counts[0] == len(LOOK)
    assert counts[1] == len(caps.rungs) <= MOST_RUNGS + 3
