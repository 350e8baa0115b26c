"""Predicted against actual over HTTP: an empty beginning, the figures, the pages."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.domain.cost.calibration import Quantity, corrections
from orchestrator.domain.ids import RunId
from tests.contract.store_examples import make_observation
from tests.unit.api.serving import Client, Service


def test_before_the_first_stage_has_ended_the_answer_says_so(client: Client) -> None:
    document = client.get("/calibration").json()
    assert document["note"].startswith("No stage that was planned with a prediction has ended yet")
    assert (document["overall"], document["cells"], document["observations"], document["next"]) == (None, [], [], None)


def test_predicted_and_actual_are_told_with_the_correction_that_follows(client: Client, service: Service) -> None:
    run_id = RunId(client.submit()["id"])
    observed = make_observation(run_id, actual=1.3)
    service.store.record_observation(observed)
    service.store.record_observation(replace(observed, quantity=Quantity.STARTUP, actual=1.0))
    document = client.get("/calibration").json()

    newest, first = document["observations"]
    assert newest["quantity"] == "startup_seconds"
    assert (first["run"], first["stage"], first["predicted"], first["actual"]) == (run_id, 1, 1.0, 1.3)
    assert first["error"] == pytest.approx(1 / 1.3 - 1)
    assert (first["within"], newest["within"]) == (False, True)
    speed, startup = document["cells"]
    learned = corrections([observed])[observed.cell]
    assert speed["correction"]["factor"] == pytest.approx(2.718281828**learned.log_factor)
    assert speed["correction"]["low"] < speed["correction"]["factor"] < speed["correction"]["high"]
    assert (speed["accuracy"]["coverage"], startup["accuracy"]["coverage"]) == (0.0, 1.0)
    assert startup["correction"] is None
    assert document["overall"]["coverage"] == 0.5


def test_the_observations_are_paged(client: Client, service: Service) -> None:
    run_id = RunId(client.submit()["id"])
    for attempt in range(1, 6):
        service.store.record_observation(make_observation(run_id, attempt=attempt))
    attempts, after = [], None
    while True:
        query = {"limit": 2} if after is None else {"limit": 2, "after": after}
        document = client.get("/calibration", params=query).json()
        attempts.append([each["attempt"] for each in document["observations"]])
        assert document["overall"]["observations"] == 5
        if (after := document["next"]) is None:
            break
    assert attempts == [[5, 4], [3, 2], [1]]


@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": 1000}, {"after": -1}, {"befor": 3}])
def test_a_query_that_means_nothing_is_refused_by_its_name(client: Client, query: dict[str, int]) -> None:
    answer = client.get("/calibration", params=query)
    assert answer.status_code == 422
    assert next(iter(query)) in answer.text


def test_a_run_shows_the_memory_that_its_training_took(client: Client, service: Service) -> None:
    service.compute.world = replace(service.compute.world, peak_memory_bytes=10_000_000_000)
    run_id = client.submit()["id"]
    assert client.get(f"/runs/{run_id}").json()["stages"][0]["peak_memory"] is None
    service.until_training(run_id)
    assert client.get(f"/runs/{run_id}").json()["stages"][0]["peak_memory"] == {
        "device_reserved": 10_000_000_000,
        "device_allocated": 9_000_000_000,
        "process_resident": None,
    }
