"""The metric series: paged, filtered, thinned, and always JSON."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.schemas.journal import MetricView
from api.series import thinned
from orchestrator.domain.ids import RunId, StageId
from orchestrator.domain.journal import Entry, EntryKind
from orchestrator.ports.store import RunChange
from tests.unit.api.serving import Client, Service, fields


@pytest.fixture
def run_id(client: Client, service: Service) -> str:
    """A run that was trained to its end."""
    run_id = str(client.submit()["id"])
    service.until_ended(run_id)
    return run_id


def report(service: Service, run_id: str, *lines: dict[str, Any]) -> None:
    run = service.store.load(RunId(run_id)).run
    entries = tuple(
        Entry(run.id, EntryKind.METRIC, service.clock.now(), f"told:{run.version}:{index}", line, StageId("01-train"))
        for index, line in enumerate(lines)
    )
    service.store.save(RunChange(run, entries=entries))


def test_the_series_holds_what_the_node_reported_in_order(client: Client, run_id: str) -> None:
    series = client.get(f"/runs/{run_id}/metrics").json()
    events = [each["event"] for each in series["metrics"]]
    steps = [each["data"]["step"] for each in series["metrics"] if each["event"] == "step"]
    assert {"begin", "step", "checkpoint", "evaluation", "end"} <= set(events)
    assert steps == list(range(1, len(steps) + 1))
    assert (series["more"], series["next"]) == (False, series["metrics"][-1]["seq"])


def test_pages_of_a_series_join_without_a_gap(client: Client, run_id: str) -> None:
    path = f"/runs/{run_id}/metrics"
    whole = client.get(path, params={"event": "step"}).json()["metrics"]
    joined: list[dict[str, Any]] = []
    page = {"next": 0, "more": True}
    while page["more"]:
        page = client.get(path, params={"event": "step", "limit": 7, "after": page["next"]}).json()
        joined.extend(page["metrics"])
    assert joined == whole
    assert len(whole) > 7


def test_a_number_that_json_cannot_carry_is_null(client: Client, service: Service) -> None:
    run_id = client.submit()["id"]
    report(
        service, run_id, {"event": "step", "at": 0, "step": 1, "loss": math.nan, "more": [math.inf, {"x": -math.inf}]}
    )
    (metric,) = client.get(f"/runs/{run_id}/metrics").json()["metrics"]
    assert metric["data"] == {"step": 1, "loss": None, "more": [None, {"x": None}]}


def test_a_thinned_series_keeps_its_ends_its_spikes_and_its_other_events(client: Client, service: Service) -> None:
    run_id = client.submit()["id"]
    losses = [2.0] * 500
    losses[123], losses[321] = 9.0, 0.1
    steps = [{"event": "step", "at": 0, "step": step, "loss": loss} for step, loss in enumerate(losses)]
    report(service, run_id, *steps[:250], {"event": "checkpoint", "at": 0, "step": 249}, *steps[250:])

    series = client.get(f"/runs/{run_id}/metrics", params={"points": 20}).json()["metrics"]
    shown = [each["data"]["step"] for each in series if each["event"] == "step"]
    assert len(shown) <= 20
    assert {0, 123, 321, 499} <= set(shown)
    assert shown == sorted(shown)
    assert "checkpoint" in {each["event"] for each in series}


def test_the_steps_of_several_trainings_are_counted_on_and_thinned_one_by_one(client: Client, service: Service) -> None:
    small = {"micro_batch_size": 1, "gradient_accumulation_steps": 1}
    run_id = client.submit(strategy="relora", budget="1", overrides=small)["id"]
    service.until_ended(run_id)
    path = f"/runs/{run_id}/metrics"
    whole = client.get(path, params={"event": "step"}).json()["metrics"]
    assert [each["run_step"] for each in whole] == list(range(1, len(whole) + 1))
    trainings = sorted({each["stage"] for each in whole})
    assert len(trainings) == 3

    # A page that begins in the middle counts from the run's beginning all the same.
    middle = whole[len(whole) // 2]
    later = client.get(path, params={"event": "step", "after": middle["seq"]}).json()["metrics"]
    assert later[0]["run_step"] == middle["run_step"] + 1

    for points in (2, 12):
        thin = client.get(path, params={"points": points}).json()["metrics"]
        steps = [each for each in thin if each["event"] == "step"]
        assert len(steps) <= max(points, 2 * len(trainings))
        for stage in trainings:
            kept = [each["run_step"] for each in steps if each["stage"] == stage]
            all_ = [each["run_step"] for each in whole if each["stage"] == stage]
            assert (kept[0], kept[-1]) == (all_[0], all_[-1])
        assert all(each["run_step"] is None for each in thin if each["event"] != "step")


def test_a_run_that_reported_nothing_has_an_empty_series(client: Client) -> None:
    path = f"/runs/{client.submit()['id']}/metrics"
    assert client.get(path).json() == {"metrics": [], "next": 0, "more": False}
    assert client.get(path, params={"points": 5, "after": 7}).json() == {"metrics": [], "next": 7, "more": False}


@pytest.mark.parametrize(
    "params", [{"after": "-1"}, {"after": "9" * 20}, {"limit": "0"}, {"points": "1"}, {"points": "1e9"}]
)
def test_a_series_is_not_asked_for_outside_its_bounds(client: Client, run_id: str, params: dict[str, str]) -> None:
    answer = client.get(f"/runs/{run_id}/metrics", params=params)
    assert (answer.status_code, fields(answer).keys()) == (422, params.keys())


def _view(seq: int, loss: float | None) -> MetricView:
    return MetricView(
        seq=seq, at=datetime(2026, 1, 1, tzinfo=UTC), stage=None, event="step", run_step=None, data={"loss": loss}
    )


@given(losses=st.lists(st.none() | st.floats(0, 10), max_size=200), points=st.integers(2, 50))
def test_thinning_never_exceeds_what_was_asked_for_and_never_reorders(losses: list[float | None], points: int) -> None:
    views = [_view(seq, loss) for seq, loss in enumerate(losses)]
    kept = [view.seq for view in thinned(views, points)]
    assert len(kept) <= points
    assert kept == sorted(set(kept))
    assert not views or {views[0].seq, views[-1].seq} <= set(kept)
