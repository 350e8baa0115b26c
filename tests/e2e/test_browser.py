"""The page in a real browser: a run is submitted from it, its curve moves, it ends, and nothing was reloaded."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from decimal import Decimal
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, ViewportSize, expect, sync_playwright

from tests.e2e.service import WholeService

pytestmark = [pytest.mark.e2e, pytest.mark.browser]

BUDGET = "0.10"
"""Ninety seconds at the default price: the test is over by then, however slow the machine."""
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
SECOND = 1000
PHONE: ViewportSize = {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    if CHROMIUM is None:
        required = os.environ.get("LATTICEFORGE_TEST_REQUIRE") == "all"
        (pytest.fail if required else pytest.skip)("no Chromium is installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)
        yield browser
        browser.close()


def watched(page: Page, address: str) -> list[str]:
    """What goes wrong in `page` from now on: script errors, refused styles, requests to other hosts."""
    wrong: list[str] = []
    host = urlsplit(address).netloc
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("request", lambda request: wrong.append(request.url) if urlsplit(request.url).netloc != host else None)
    return wrong


def legend(page: Page, chart: str) -> Locator:
    """The first value of the chart's legend: the x of its newest point."""
    return page.locator(f"#{chart} .u-legend .u-value").first


def scrolls_sideways(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth > innerWidth"))


def test_a_run_is_submitted_watched_and_seen_to_end_without_a_reload(chromium: Browser, service: WholeService) -> None:
    page = chromium.new_page()
    wrong = watched(page, service.url)
    page.goto(service.url)
    page.get_by_label("Strategy").select_option("dora_neftune")
    page.get_by_label("Budget in dollars").fill(BUDGET)
    page.get_by_label("Name", exact=True).fill("from <b>the</b> browser")
    page.get_by_role("button", name="Quote first").click()
    expect(page.get_by_role("region", name="Quote")).to_contain_text("Never above", timeout=20 * SECOND)
    expect(page.get_by_label("Budget in dollars")).to_have_value(BUDGET)
    page.get_by_role("button", name="Start the run").click()
    page.wait_for_url("**/r/run_*")
    expect(page.get_by_role("heading", level=1)).to_have_text("from <b>the</b> browser")
    page.evaluate("window.neverReloaded = true")

    expect(page.locator("#connection")).to_have_text("Live", timeout=20 * SECOND)
    expect(legend(page, "loss-chart")).to_have_text(re.compile(r"^\d+$"), timeout=90 * SECOND)
    first = int(legend(page, "loss-chart").inner_text())
    expect(legend(page, "loss-chart")).not_to_have_text(str(first), timeout=60 * SECOND)
    assert int(legend(page, "loss-chart").inner_text()) > first, "the loss curve goes on"
    expect(page.locator("#log pre")).not_to_have_text("Nothing was written yet.", timeout=30 * SECOND)

    expect(page.locator("#connection")).to_have_text("Final", timeout=150 * SECOND)
    expect(page.locator("#status .pill")).to_have_text(re.compile("completed|budget reached"), timeout=10 * SECOND)
    # Every section is fetched once more at the end; on two busy cores that takes its time.
    expect(page.locator("#ledger")).to_contain_text("settle", timeout=30 * SECOND)
    expect(page.locator("#ledger")).to_contain_text("sum $0.00")
    expect(page.locator("#artifacts")).to_contain_text("adapter_model.safetensors", timeout=30 * SECOND)
    spent = page.locator("#spend-now")
    assert Decimal(0) < Decimal(spent.get_attribute("value") or "") <= Decimal(BUDGET)
    assert page.evaluate("window.neverReloaded") is True
    assert wrong == []
    page.close()


@pytest.mark.parametrize("scripts", [True, False])
def test_every_page_fits_a_phone_with_and_without_scripts(
    chromium: Browser, service: WholeService, scripts: bool
) -> None:
    context = chromium.new_context(viewport=PHONE, java_script_enabled=scripts)
    page = context.new_page()
    page.goto(service.url)
    page.get_by_label("Budget in dollars").fill(BUDGET)
    page.get_by_role("button", name="Start the run").click()
    page.wait_for_url("**/r/run_*")
    expect(page.locator("#ledger")).to_contain_text("grant")
    if scripts:
        assert not scrolls_sideways(page)
        page.get_by_role("link", name="LatticeForge").click()
        expect(page.locator("#runs li")).not_to_have_count(0)
        assert not scrolls_sideways(page)
        page.go_back()
    page.get_by_text("Cancel this run").click()
    page.get_by_role("button", name="Yes, cancel the run").click()
    expect(page.locator("#status")).to_contain_text(re.compile("cancel", re.IGNORECASE))
    context.close()


@pytest.mark.parametrize("viewport", [{"width": 1280, "height": 900}, PHONE])
def test_the_slider_over_the_cap_shows_what_each_cap_buys_without_asking_again(
    chromium: Browser, service: WholeService, viewport: ViewportSize
) -> None:
    page = chromium.new_page(viewport=viewport)
    wrong = watched(page, service.url)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if request.url.endswith("/ui/caps") else None)
    page.goto(service.url)
    page.evaluate("window.neverReloaded = true")
    page.get_by_role("heading", name="What other caps would buy").scroll_into_view_if_needed()
    slider = page.get_by_label("Cap", exact=True)
    expect(slider).to_be_visible(timeout=30 * SECOND)
    assert len(asked) == 1, "once it is seen"

    page.get_by_label("Where").select_option("clouds")
    page.get_by_text("Model, data, limits").click()
    page.get_by_label("Or its tokens").fill("20M")
    page.get_by_label("Model", exact=True).fill("meta-llama/Llama-3.1-8B")
    shown = page.locator(".rung:visible")
    expect(shown).to_contain_text("H100", timeout=30 * SECOND)
    expect(page.locator("#caps")).not_to_have_class(re.compile("htmx-request"))
    seen = len(asked)

    last = int(slider.get_attribute("max") or "")
    budget = page.get_by_label("Budget in dollars")
    said, marks = set(), set()
    for at in (last, last // 2, 1):
        slider.fill(str(at))
        expect(shown).to_have_count(1)
        cap = shown.get_attribute("data-cap") or ""
        expect(budget).to_have_value(cap)
        assert f"${Decimal(cap):,.2f}" in shown.inner_text()
        assert (slider.get_attribute("aria-valuetext") or "").startswith(f"${Decimal(cap):,.2f}: ")
        said.add(shown.inner_text())
        marks.add(page.locator(".caps-drawing .mark").get_attribute("x1"))
    assert len(said) == len(marks) == 3
    slider.press("ArrowRight")
    expect(shown).to_have_attribute("data-cap", budget.input_value())
    assert len(asked) == seen, "moving it asks for nothing"

    budget.fill("33.33")
    expect(shown).to_have_attribute("data-cap", "33.33", timeout=30 * SECOND)
    page.get_by_role("button", name="Quote first").click()
    quote = page.get_by_role("region", name="Quote")
    expect(quote).to_contain_text("What $33.33 would buy", timeout=20 * SECOND)
    expect(shown).to_have_attribute("data-cap", "33.33")
    figures = page.locator(".rung:visible dd").nth(1).inner_text().splitlines()[0]
    expect(quote.locator(".facts dd").nth(1)).to_contain_text(figures)
    for summary in quote.locator("summary").all():
        summary.click()
    assert not scrolls_sideways(page)
    assert page.evaluate("window.neverReloaded") is True
    assert wrong == []
    page.close()


def test_a_dropped_connection_is_said_and_taken_up_again(chromium: Browser, service: WholeService) -> None:
    context = chromium.new_context()
    page = context.new_page()
    page.goto(service.url)
    page.get_by_label("Budget in dollars").fill(BUDGET)
    page.get_by_role("button", name="Start the run").click()
    page.wait_for_url("**/r/run_*")
    # The stream is refused for good at first, as by a service that is just starting: the page must come back by itself.
    refused: list[str] = []

    def refuse_once(route: Route) -> None:
        refused.append(route.request.url)
        if len(refused) == 1:
            route.fulfill(status=503)
        else:
            route.continue_()

    page.route("**/events*", refuse_once)
    page.reload()
    expect(page.locator("#connection")).to_have_text("Reconnecting…", timeout=10 * SECOND)
    expect(page.locator("#connection")).to_have_text("Live", timeout=20 * SECOND)
    assert len(refused) == 2
    page.unroute("**/events*")
    page.get_by_text("Cancel this run").click()
    page.get_by_role("button", name="Yes, cancel the run").click()
    expect(page.locator("#status .pill")).to_have_text("cancelled", timeout=60 * SECOND)
    context.close()
