"""The event stream of a run that has ended: whole, from any place on, and closed with an `end`."""

from __future__ import annotations

import json

import pytest

from orchestrator.domain.ids import RunId
from tests.unit.api.serving import Client, Service, fields


@pytest.fixture
def run_id(client: Client, service: Service) -> str:
    run_id = str(client.submit()["id"])
    service.until_ended(run_id)
    return run_id


def events_of(text: str) -> list[dict[str, str]]:
    """The events in a stream's text, comments left out."""
    blocks = [block for block in text.split("\n\n") if block and not block.startswith(":")]
    return [dict(line.split(": ", 1) for line in block.split("\n")) for block in blocks]


def test_the_stream_tells_the_whole_journal_and_then_ends(client: Client, service: Service, run_id: str) -> None:
    answer = client.get(f"/runs/{run_id}/events")
    *told, end = events_of(answer.text)

    assert answer.headers["content-type"].startswith("text/event-stream")
    journal = service.store.journal(RunId(run_id), 0, 10_000)
    assert [(int(each["id"]), each["event"]) for each in told] == [(each.seq, each.entry.kind) for each in journal]
    assert json.loads(told[0]["data"])["data"]["event"] == "submitted"
    assert {"status", "plan", "stage", "metric", "ledger"} <= {each["event"] for each in told}
    assert end["event"] == "end"
    assert "id" not in end
    assert json.loads(end["data"])["outcome"] == "completed"


@pytest.mark.parametrize("by_header", [True, False])
def test_the_stream_goes_on_after_the_last_event_that_arrived(client: Client, run_id: str, by_header: bool) -> None:
    whole = events_of(client.get(f"/runs/{run_id}/events").text)
    last = whole[9]["id"]
    how = {"headers": {"Last-Event-ID": last}} if by_header else {"params": {"after": last}}
    rest = events_of(client.get(f"/runs/{run_id}/events", **how).text)  # type: ignore[arg-type]
    assert rest == whole[10:]


def test_the_header_of_a_client_that_comes_back_overrules_the_address(client: Client, run_id: str) -> None:
    path = f"/runs/{run_id}/events"
    resumed = client.get(path, params={"after": 1}, headers={"Last-Event-ID": "5"})
    assert resumed.text == client.get(path, params={"after": 5}).text


def test_a_client_that_has_seen_everything_is_told_the_end_again(client: Client, run_id: str) -> None:
    (end,) = events_of(client.get(f"/runs/{run_id}/events", params={"after": 2**53 - 1}).text)
    assert end["event"] == "end"


@pytest.mark.parametrize("last", ["-1", "abc", "9" * 5000, "1.5"])
def test_an_event_id_that_was_never_given_is_refused(client: Client, run_id: str, last: str) -> None:
    path = f"/runs/{run_id}/events"
    assert list(fields(client.get(path, headers={"Last-Event-ID": last}))) == ["Last-Event-ID"]
    assert list(fields(client.get(path, params={"after": last}))) == ["after"]
