"""The pages as a browser gets them: forms that keep what was typed, facts without scripts, nothing injected."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from typing import get_args

import pytest

from api.web.pages import Fragment
from api.web.rendering import STATIC
from orchestrator.domain.journal import EntryKind
from orchestrator.domain.lifecycle import Outcome
from orchestrator.domain.strategies import CUSTOM, STRATEGIES
from orchestrator.ports.store import RunQuery
from tests.unit.api.browsing import FORM, HOSTILE, Browser, Document, started, text_of
from tests.unit.api.serving import Service


def test_a_run_is_started_from_the_form_and_shown_in_the_list(browser: Browser, service: Service) -> None:
    run_id = started(browser, name="first try")
    service.until_training(run_id)
    shown = text_of(browser.get("/").text)
    assert "first try" in shown
    assert "running" in shown
    assert "of $0.50" in shown


def test_the_form_offers_every_strategy(browser: Browser) -> None:
    options = Document(browser.get("/").text).all("option")
    assert {option["value"] for option in options} >= {each.key for each in STRATEGIES if each.key != CUSTOM}


def test_a_double_click_starts_one_run_and_a_changed_wish_another(browser: Browser, service: Service) -> None:
    assert started(browser) == started(browser)
    assert started(browser, budget="0.60") != started(browser)
    assert started(browser, token="another showing") != started(browser)
    assert len(service.application.read.page(RunQuery()).readings) == 3


@pytest.mark.parametrize("budget", ["", "0", "-1", "NaN", "1e12", "fifty", "0.0000001", HOSTILE])
def test_a_refused_budget_stays_in_its_field_with_the_reason_beside_it(
    browser: Browser, service: Service, budget: str
) -> None:
    answer = browser.post("/ui/runs", data={**FORM, "budget": budget})
    assert answer.status_code == 422
    field = Document(answer.text).one(name="budget")
    assert field["value"] == budget
    assert field["aria-invalid"] == "true"
    assert Document(answer.text).one(id=(field["aria-describedby"] or "").split()[0])["class"] == "problem"
    assert service.application.read.page(RunQuery()).readings == ()


@pytest.mark.parametrize(
    ("field", "value"),
    [("max_hours", "soon"), ("max_hours", "nan"), ("model", "/etc"), ("dataset", "nowhere.jsonl"), ("name", "x" * 200),
     ("strategy", "galora"), ("strategy", HOSTILE)],
)  # fmt: skip
def test_every_other_field_is_refused_beside_itself(browser: Browser, field: str, value: str) -> None:
    answer = browser.post("/ui/runs", data={**FORM, field: value})
    assert answer.status_code == 422
    assert Document(answer.text).one(name=field)["aria-invalid"] == "true"


def test_a_budget_that_trains_nothing_is_told_the_least_that_does(browser: Browser) -> None:
    answer = browser.post("/ui/runs", data={**FORM, "budget": "0.0001"})
    assert answer.status_code == 402
    assert "the least that trains is" in answer.text
    assert Document(answer.text).one(name="budget")["value"] == "0.0001"


def test_a_quote_shows_the_price_and_starts_nothing(browser: Browser, service: Service) -> None:
    whole = browser.post("/ui/quotes", data=FORM)
    alone = browser.post("/ui/quotes", data=FORM, headers={"HX-Request": "true"})
    for answer in (whole, alone):
        assert answer.status_code == 200
        assert "What $0.50 would buy" in text_of(answer.text)
        assert Document(answer.text).one(name="budget")["value"] == "0.50"
    assert "<html" in whole.text
    assert alone.text.lstrip().startswith("<form")
    assert service.application.read.page(RunQuery()).readings == ()


def test_a_name_a_log_and_a_file_cannot_inject(browser: Browser, service: Service) -> None:
    run_id = started(browser, name=HOSTILE)
    service.until_training(run_id)
    attempt = service.home / "runs" / run_id / "01-train" / "attempt-1"
    attempt.mkdir(parents=True)
    (attempt / "log.txt").write_text(f"loss {HOSTILE}\n")
    (attempt / "<b onclick=x>.txt").write_text("x")
    for path in ("/", f"/r/{run_id}", f"/r/{run_id}/fragments/log", f"/r/{run_id}/fragments/artifacts"):
        page = browser.get(path).text
        assert "<script>alert" not in page
        assert "<img src=x" not in page
        assert "<b onclick" not in page
        assert "49" not in re.findall(r"<h1>(.*?)</h1>", page)
    assert "&lt;script&gt;alert(1)" in browser.get(f"/r/{run_id}/fragments/log").text


@pytest.mark.parametrize(
    "headers", [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "https://evil.example"},
                {"Origin": "null"}],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/ui/runs", "/ui/quotes", "/ui/runs/{run_id}/cancel", "/ui/runs/{run_id}/budget"])
def test_a_form_that_another_site_sends_does_nothing(
    browser: Browser, service: Service, headers: dict[str, str], path: str
) -> None:
    run_id = started(browser)
    before = service.store.load(service.application.read.page(RunQuery()).readings[0].run.id)
    answer = browser.post(path.format(run_id=run_id), data={**FORM, "amount": "5", "token": "theirs"}, headers=headers)
    assert answer.status_code == 403
    assert service.store.load(before.run.id) == before
    assert len(service.application.read.page(RunQuery()).readings) == 1


def test_a_form_from_our_own_page_passes(browser: Browser) -> None:
    for headers in ({"Sec-Fetch-Site": "same-origin"}, {"Origin": "http://127.0.0.1:8000"}):
        assert browser.post("/ui/runs", data=FORM, headers=headers).status_code == 303


def test_every_part_of_the_page_answers_in_every_state(browser: Browser, service: Service) -> None:
    run_id = started(browser)
    for reach in (lambda: None, lambda: service.until_training(run_id), lambda: service.until_ended(run_id)):
        reach()
        assert browser.get(f"/r/{run_id}").status_code == 200
        for name in get_args(Fragment):
            answer = browser.get(f"/r/{run_id}/fragments/{name}")
            assert answer.status_code == 200, name
            assert "<html" not in answer.text
    assert browser.get(f"/r/{run_id}/fragments/nonsense").status_code == 422


def test_a_live_page_listens_and_an_ended_one_does_not(browser: Browser, service: Service) -> None:
    run_id = started(browser)
    service.until_training(run_id)
    live = browser.get(f"/r/{run_id}").text
    assert f'sse-connect="/runs/{run_id}/events"' in live
    for kind in EntryKind:
        assert f"sse:{kind.value}" in live
    service.until_ended(run_id)
    ended = browser.get(f"/r/{run_id}").text
    assert "sse-connect" not in ended
    assert "hx-trigger" not in ended


def test_an_ended_run_shows_every_fact_without_scripts(browser: Browser, service: Service) -> None:
    run_id = started(browser)
    service.until_ended(run_id)
    reading = service.application.read.one(service.application.read.page(RunQuery()).readings[0].run.id)
    page = browser.get(f"/r/{run_id}").text
    shown = text_of(page)
    assert reading.run.outcome is Outcome.COMPLETED
    assert "completed All stages are done." in shown
    for posting in reading.postings:
        assert f"{posting.kind.value} ${posting.amount.dollars()}" in shown
    assert "sum $0.00" in shown
    assert "Held-out loss" in shown
    assert re.search(r'<polyline points="[0-9., -]{40,}"', page)


def test_a_run_is_cancelled_and_cannot_be_cancelled_again_once_it_ended(browser: Browser, service: Service) -> None:
    run_id = started(browser)
    service.until_training(run_id)
    assert browser.post(f"/ui/runs/{run_id}/cancel").headers["location"] == f"/r/{run_id}"
    service.until_ended(run_id)
    assert "cancelled" in text_of(browser.get(f"/r/{run_id}").text)
    refused = browser.post(f"/ui/runs/{run_id}/cancel")
    assert refused.status_code == 409
    assert "The run has ended already (cancelled)." in text_of(refused.text)


def test_a_top_up_raises_the_cap_once_for_each_showing_of_its_form(browser: Browser) -> None:
    run_id = started(browser)
    for _ in range(2):
        assert browser.post(f"/ui/runs/{run_id}/budget", data={"amount": "1.25", "token": "x"}).status_code == 303
    assert "of $1.75" in text_of(browser.get(f"/r/{run_id}").text)


def test_a_refused_top_up_keeps_the_amount_and_says_why(browser: Browser) -> None:
    run_id = started(browser)
    answer = browser.post(f"/ui/runs/{run_id}/budget", data={"amount": "lots", "token": "x"})
    assert answer.status_code == 422
    assert Document(answer.text).one(name="amount")["value"] == "lots"
    assert "is not a number of dollars" in answer.text


@pytest.mark.parametrize("run_id", ["run_zzzzzzzzzzzz", "x", "%2e%2e", "run_" + "a" * 500])
@pytest.mark.parametrize("path", ["/r/{}", "/r/{}/fragments/log"])
def test_a_run_that_is_not_there_is_a_page_that_says_so(browser: Browser, run_id: str, path: str) -> None:
    answer = browser.get(path.format(run_id))
    assert answer.status_code == 404
    assert "<h1>No such thing</h1>" in answer.text


def test_an_unreadable_form_is_a_page_too(browser: Browser) -> None:
    answer = browser.post("/ui/runs", files={"budget": ("budget.txt", b"50")})
    assert answer.status_code == 422
    assert "<h1>" in answer.text


def test_older_runs_are_a_page_further(browser: Browser) -> None:
    runs = [started(browser, token=str(count)) for count in range(27)]
    first = browser.get("/").text
    assert runs[-1] in first
    assert runs[0] not in first
    (older,) = re.findall(r'href="(/\?after=[^"]+)">Older', first)
    assert runs[0] in browser.get(older).text


def test_static_files_may_be_kept_for_good_and_lead_nowhere_else(browser: Browser) -> None:
    for link in re.findall(r'(?:src|href)="(/static/[^"]+)"', browser.get("/").text):
        answer = browser.get(link)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
    for escape in ("../pages.py", "%2e%2e/pages.py", "..%2f..%2fapp.py", "/etc/passwd"):
        assert browser.get(f"/static/{escape}").status_code in {404, 405}


def test_vendored_files_are_the_ones_that_their_readme_names() -> None:
    vendor = STATIC / "vendor"
    named = dict(re.findall(r"^([0-9a-f]{64})  (\S+)$", (vendor / "README.md").read_text(), re.MULTILINE))
    found = {path.name: path for path in vendor.iterdir() if path.suffix in {".js", ".css"}}
    sums = {hashlib.sha256(path.read_bytes()).hexdigest(): name for name, path in found.items()}
    assert sums == named


def test_a_run_that_the_budget_ended_says_so_and_offers_to_go_on(browser: Browser, service: Service) -> None:
    service.compute.world = replace(service.compute.world, seconds_per_step=8)
    run_id = started(browser, budget="0.05")
    service.until_ended(run_id)
    page = browser.get(f"/r/{run_id}").text
    assert "budget reached The budget ended the training." in text_of(page)
    assert Document(page).one(name="amount")
    assert f"/ui/runs/{run_id}/cancel" not in page
    service.application.top_up.execute(service.application.read.page(RunQuery()).readings[0].run.id, "1")
    assert "queued" in text_of(browser.get(f"/r/{run_id}").text)
