"""What is read out of SkyPilot's answers, and what is not."""

from __future__ import annotations

import json
import socket

import pytest

from orchestrator.adapters.skypilot.answers import (
    ClusterJob,
    RequestState,
    SkyPilotError,
    cost_of,
    failure_of,
    job_of,
    objects_of,
)
from orchestrator.adapters.skypilot.client import SkyPilotClient


def test_a_failure_is_told_by_its_type_and_message_alone() -> None:
    error = {
        "object": "gASVugMAAAAAAAB9lC4=",
        "type": "ClusterDoesNotExist",
        "message": "\x1b[33mCluster 'lf-x' is gone\x1b[0m",
    }
    failure = failure_of({"detail": {"status": "FAILED", "error": json.dumps(error)}})
    assert failure.kind == "ClusterDoesNotExist"
    assert str(failure) == "SkyPilot: Cluster 'lf-x' is gone"


@pytest.mark.parametrize("body", [{"detail": "no such request"}, {"detail": {"error": "null"}}, {"detail": {}}])
def test_a_failure_without_a_type_is_still_one(body: dict[str, object]) -> None:
    assert failure_of(json.loads(json.dumps(body))).kind == ""


@pytest.mark.parametrize("body", [{}, {"detail": None}, {"detail": {"error": "{torn"}}])
def test_an_error_that_makes_no_sense_is_an_error_of_skypilot(body: dict[str, object]) -> None:
    with pytest.raises(SkyPilotError):
        raise failure_of(json.loads(json.dumps(body)))


def test_a_list_that_is_none_is_refused() -> None:
    with pytest.raises(SkyPilotError, match="queue is not a list"):
        list(objects_of({"job_id": 1}, "queue"))


def test_a_duration_that_is_no_number_is_refused() -> None:
    with pytest.raises(SkyPilotError, match="duration"):
        cost_of({"name": "lf-x", "launched_at": 1, "duration": "long"})


@pytest.mark.parametrize(("status", "over"), [("PENDING", False), ("RUNNING", False), ("CANCELLED", True)])
def test_a_job_is_over_by_its_status(status: str, over: bool) -> None:
    assert job_of({"job_id": 7, "job_name": "01-train-1", "status": status}) == ClusterJob(7, "01-train-1", status)
    assert job_of({"job_id": 7, "job_name": "01-train-1", "status": status}).is_over is over


def test_only_a_request_that_has_not_ended_is_open() -> None:
    assert {state for state in RequestState if state.is_open} == {RequestState.PENDING, RequestState.RUNNING}


def test_a_server_that_is_not_there_is_an_error_and_nothing_else() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        client = SkyPilotClient(f"http://127.0.0.1:{unused.getsockname()[1]}", "0123abcd")
        with pytest.raises(SkyPilotError, match="does not answer"):
            client.clusters()
        client.close()
