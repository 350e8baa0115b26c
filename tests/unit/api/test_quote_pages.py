"""A quote on the page: the plan by its parts, the alternatives, the refusals, and all that it rests on."""

from __future__ import annotations

from html import unescape

import pytest

from api.web import quote_sheet
from orchestrator.services.draft import RunDraft
from orchestrator.services.quote import Quote
from orchestrator.services.told_rows import ToldTokens
from tests.unit.api.browsing import FORM, Browser, text_of
from tests.unit.api.serving import Service

TOLD = {"model": "meta-llama/Llama-3.1-8B", "dataset_tokens": "20M", "where": "clouds", "budget": "50"}


def quoted(service: Service, strategy: str = "dora_neftune") -> Quote:
    """The same wish as `TOLD`, as the service answers it."""
    draft = RunDraft(strategy, "50", model="meta-llama/Llama-3.1-8B")
    return service.application.quote.execute(draft, "clouds", ToldTokens(20_000_000))


def shown(browser: Browser, strategy: str = "dora_neftune", **fields: str) -> str:
    answer = browser.post("/ui/quotes", data={**TOLD, "strategy": strategy, **fields}, headers={"HX-Request": "true"})
    assert answer.status_code == 200
    return unescape(text_of(answer.text))


@pytest.mark.parametrize("strategy", ["dora_neftune", "relora"])
def test_every_part_of_a_quote_is_shown(browser: Browser, service: Service, strategy: str) -> None:
    quote, text = quoted(service, strategy), shown(browser, strategy).lower()
    told = [each.title for each in quote.plan.stages]
    told += [each.name.replace("_", " ") for each in (*quote.plan.items, *quote.plan.assumptions)]
    told += [each.formula for each in quote.plan.items]
    told += [term.name for stage in quote.plan.stages for term in (*stage.step_terms, *stage.memory_terms)]
    told += [f"{each.offer.provider} {each.offer.region}" for each in (*quote.found.front, *quote.found.by_devices)]
    told += [each.reason for each in quote.found.refusals]
    told += quote.obstacles
    assert len(told) > 30
    assert [each for each in told if each.lower() not in text] == []


def test_trainings_that_are_alike_are_told_once(service: Service) -> None:
    plan = quoted(service, "relora").plan
    steps = quote_sheet.trainings(plan)
    assert sum(len(each.titles) for each in steps) == sum(1 for stage in plan.stages if stage.step_terms)
    assert len(steps) < 3


def test_the_parts_add_up_to_the_lease_and_their_price_to_its_rate(service: Service) -> None:
    plan = quoted(service).plan
    parts = quote_sheet.priced(plan)
    assert sum(each.p50.seconds for each in parts) == plan.seconds.p50
    assert sum(each.worst.seconds for each in parts) == plan.seconds.worst
    for part in parts:
        assert part.p50.micros == plan.offer.rate.cost_ceil(part.p50.seconds).micros
        assert part.p90 is None or part.p50.seconds <= part.p90.seconds <= part.worst.seconds


def test_more_accelerators_are_held_against_the_next_smaller_count(service: Service) -> None:
    found = quoted(service).found
    first, *rest = quote_sheet.counted(found)
    assert (first.extra, first.saved_seconds) == (None, None)
    assert rest
    for before, each in zip(found.by_devices, rest, strict=False):
        assert each.extra is not None
        assert each.extra.micros == each.choice.cost - before.cost
        assert each.saved_seconds == before.seconds - each.choice.seconds
        assert each.extra_tokens == each.choice.tokens - before.tokens


def test_accelerators_that_buy_speed_with_less_training_are_said_to(browser: Browser, service: Service) -> None:
    def less(cap: int) -> bool:
        draft = RunDraft("dora_neftune", cap, model="meta-llama/Llama-3.1-8B")
        found = service.application.quote.execute(draft, "clouds", ToldTokens(20_000_000)).found
        return any(each.extra_tokens < 0 for each in quote_sheet.counted(found))

    cap = next(cap for cap in range(1, 60) if less(cap))
    assert " tokens less" in shown(browser, budget=str(cap))


def test_the_age_of_the_price_is_said(browser: Browser) -> None:
    assert "Price read today" in unescape(text_of(browser.post("/ui/quotes", data=FORM).text))
    text = shown(browser, spot="true")
    assert "Price read " in text
    document = browser.post("/quotes", json={"strategy": "lora", **TOLD, "spot": True}).json()
    age = document["price_age_days"]
    assert ("at an unknown time" if age is None else "today" if age == 0 else f"{age} day") in text
    assert document["price_is_old"] == (" (old)" in text)


def test_only_a_quote_of_the_clouds_has_something_in_its_way(browser: Browser) -> None:
    assert "does not rent" not in browser.post("/ui/quotes", data=FORM).text
    assert "does not rent" in shown(browser)


def test_a_cap_that_is_too_small_for_the_clouds_is_refused_with_the_least_that_is_not(browser: Browser) -> None:
    answer = browser.post("/ui/quotes", data={**TOLD, "strategy": "lora", "budget": "0.01"})
    assert answer.status_code == 402
    assert "the least that trains is" in answer.text
