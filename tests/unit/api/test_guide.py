"""The guide: everything that the domain's tables say, for people."""

from __future__ import annotations

import itertools

import pytest
from markupsafe import escape

from api.web.guide import GUIDE
from orchestrator.domain.strategies import STRATEGIES
from orchestrator.domain.techniques import TECHNIQUES, incompatible
from tests.unit.api.browsing import Browser, Document, text_of


@pytest.fixture
def page(browser: Browser) -> str:
    return browser.get("/guide").text


def test_the_guide_is_linked_from_every_page(browser: Browser) -> None:
    assert '<a href="/guide">' in browser.get("/").text


def test_every_strategy_has_its_claim_quoted_its_stages_and_its_parameters(page: str) -> None:
    shown = text_of(page)
    for strategy in STRATEGIES:
        assert Document(page).one(id=f"strategy-{strategy.key}")
        assert f"Claimed: {escape(strategy.claim)}" in shown
    assert "ReLoRA, cycle 2 of 3 train" in shown
    assert "sft_share" in shown


def test_every_technique_has_its_paper_its_ranges_and_the_books_flags_beside_the_real_keys(page: str) -> None:
    shown = text_of(page)
    links = {link.get("href") for link in Document(page).all("a")}
    for technique in TECHNIQUES.values():
        assert Document(page).one(id=f"technique-{technique.key}")
        assert technique.paper in links
        assert escape(technique.summary) in shown
        for parameter in technique.parameters:
            assert parameter.range in shown
        for flag, key in technique.book.items():
            assert f"{flag} {key}" in shown
    assert "lora_use_dora peft_use_dora" in shown
    assert "1.25 times as long as LoRA" in shown


def test_the_matrix_says_of_every_pair_what_the_domain_says() -> None:
    for one, other in itertools.permutations(TECHNIQUES.values(), 2):
        assert (GUIDE.exclusion(one, other) is not None) == bool(incompatible([one.key, other.key])), (one, other)
    assert GUIDE.exclusion(TECHNIQUES["dora"], TECHNIQUES["dora"]) is None


def test_every_number_in_the_matrix_leads_to_its_reason(page: str) -> None:
    document = Document(page)
    targets = {attributes["id"] for _, attributes in document.elements if "id" in attributes}
    links = [link["href"] or "" for link in document.all("a") if (link.get("href") or "").startswith("#")]
    assert {link[1:] for link in links} <= targets
    assert "the trainer ignores NEFTune under preference optimisation without a word" in text_of(page)
