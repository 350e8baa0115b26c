"""Reading server-sent events, and what a watcher makes of them."""

from __future__ import annotations

import pytest

from api.cli_client import Event, parse_events
from api.cli_figures import duration
from api.cli_watch import Watched, describe

RUN = {"id": "run_000000000001"}


def test_events_are_read_with_their_ids_and_comments_are_left_out() -> None:
    lines = [": still here", "", "event: metric", "id: 7", 'data: {"a":', "data: 1}", "", "data: {}", "", "data: {"]
    assert list(parse_events(iter(lines))) == [Event("metric", "7", {"a": 1}), Event("message", "", {})]


def test_a_watcher_keeps_figures_the_last_events_and_the_place_to_resume_at() -> None:
    watched = Watched(RUN)
    step = {"event": "step", "loss": 0.5, "tokens_per_second": 1200}
    watched.take(Event("metric", "4", {"at": "2026-01-01T12:00:00Z", "data": step}))
    watched.take(Event("note", "5", {"at": "2026-01-01T12:00:01Z", "data": {"message": "hello"}}))
    assert (watched.loss, watched.tokens_per_second, watched.last_id) == (0.5, 1200.0, "5")
    assert list(watched.recent) == ["12:00:01  hello"]
    assert not watched.ended
    watched.take(Event("end", "", {"outcome": "completed"}))
    assert watched.ended
    assert watched.last_id == "5"


def test_a_watcher_names_stages_by_their_titles() -> None:
    watched = Watched({**RUN, "stages": [{"id": "02-merge", "title": "merge after cycle 1 of 3"}]})
    watched.take(Event("stage", "6", {"at": "", "data": {"stage": "02-merge", "status": "running"}}))
    watched.take(Event("stage", "7", {"at": "", "data": {"stage": "09-train", "status": "done"}}))
    assert [line.strip() for line in watched.recent] == [
        "stage merge after cycle 1 of 3 running", "stage 09-train done"
    ]  # fmt: skip


def test_a_loss_that_diverged_is_shown_as_unknown() -> None:
    watched = Watched(RUN, loss=1.0)
    watched.take(Event("metric", "4", {"data": {"event": "step", "loss": None}}))
    assert watched.loss is None


@pytest.mark.parametrize(
    ("kind", "data", "line"),
    [
        ("status", {"status": "ended", "event": "settled", "reason": ""}, "ended (settled)"),
        ("stage", {"stage": "01-train", "status": "done", "cause": "completed"}, "stage 01-train done completed"),
        ("ledger", {"kind": "reserve", "amount": "50.00"}, "reserve 50.00 dollars"),
        ("metric", {"event": "checkpoint", "step": 8}, "checkpoint at step 8"),
        ("metric", {"event": "sized", "seconds_per_step": 0.5, "max_steps": 40}, "0.5 s a step: 40 steps fit"),
        ("metric", {"event": "merged", "path": "/somewhere"}, "merged into a whole model"),
        ("metric", {"event": "evaluation", "subject": "base", "heldout_loss": None}, "held-out loss of the base: -"),
        (
            "metric",
            {"event": "harness", "task": "arc", "metric": "acc", "subject": "tuned", "value": 0.25},
            "arc acc of the tuned: 0.25",
        ),
        ("metric", {"event": "step", "loss": 1.0}, ""),
        ("unheard-of", {}, ""),
    ],
)
def test_an_event_is_told_in_one_line(kind: str, data: dict[str, object], line: str) -> None:
    assert describe(kind, data) == line


@pytest.mark.parametrize(("seconds", "text"), [(None, "-"), (0, "0:00"), (90, "1:30"), (3661, "1:01:01")])
def test_durations_are_short(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text
