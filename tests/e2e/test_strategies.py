"""Every strategy of the study book, whole runs with the real trainer: each is killed once in the middle and goes on."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from typing import Any

import pytest

from tests.e2e.demonstration import (
    PATIENCE,
    assert_loads,
    assert_settled,
    await_step,
    evaluations,
    ledger_of,
    wish,
)
from tests.e2e.service import WholeService

pytestmark = [pytest.mark.e2e, pytest.mark.trainer]


@dataclass(frozen=True)
class Expected:
    """What a strategy does. `killed` is the stage whose trainer is killed, `kinds` the stages; `loss` is the share of
    the base model's held-out loss that must not be left, `match` the exact match that must be reached."""

    kinds: str
    killed: str = "01-train"
    adapter: bool = False
    dora: bool = False
    loss: float = 0.5
    match: float = 0.5


STRATEGIES = {
    "galore": Expected("train evaluate"),
    "full": Expected("train evaluate"),
    "relora": Expected("train merge train merge train merge evaluate", killed="03-train"),
    "orpo": Expected("train evaluate", adapter=True),
    "split": Expected("train merge train evaluate", killed="03-train", adapter=True, dora=True),
    "qlora": Expected("train evaluate", adapter=True),
}


def kill_the_trainer(service: WholeService, run_id: str, stage_id: str) -> None:
    """SIGKILL to the process that trains, as a machine out of memory would do it."""
    begins = service.http.get(f"/runs/{run_id}/metrics", params={"event": "begin"}).json()["metrics"]
    pid = next(begin["data"]["pid"] for begin in reversed(begins) if begin["stage"] == stage_id)
    os.kill(pid, signal.SIGKILL)


def begins_of(service: WholeService, run_id: str, stage_id: str) -> list[int]:
    """The step at which each attempt at the stage began."""
    begins = service.http.get(f"/runs/{run_id}/metrics", params={"event": "begin"}).json()["metrics"]
    return [begin["data"]["step"] for begin in begins if begin["stage"] == stage_id]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_strategy_survives_the_death_of_its_trainer_and_learns_the_skill(
    service: WholeService, strategy: str
) -> None:
    expected = STRATEGIES[strategy]
    run_id = service.submit(**wish(strategy), budget="5")
    save_every = 10  # checkpoints a training, at the latest
    await_step(service, run_id, 1, expected.killed)
    stage: dict[str, Any] = next(each for each in service.run(run_id)["stages"] if each["id"] == expected.killed)
    await_step(service, run_id, stage["max_steps"] // save_every * 2 + 2, expected.killed)
    kill_the_trainer(service, run_id, expected.killed)
    document = service.await_end(run_id, PATIENCE)

    assert document["outcome"] == "completed", document["reason"]
    assert [stage["kind"] for stage in document["stages"]] == expected.kinds.split()
    assert {stage["id"]: stage["attempt"] for stage in document["stages"]} == {
        stage["id"]: 2 if stage["id"] == expected.killed else 1 for stage in document["stages"]
    }
    first, second = begins_of(service, run_id, expected.killed)
    assert first == 0 < second, "it did not go on from a checkpoint"
    before, after = evaluations(document)["base"], evaluations(document)["tuned"]
    assert before["rows"] == after["rows"] == after["of_rows"]
    assert after["heldout_loss"] < before["heldout_loss"] * expected.loss
    assert after["exact_match"] >= expected.match > before["exact_match"]
    assert sorted(posting["kind"] for posting in ledger_of(service, run_id)["postings"]) == [
        "grant", "reserve", "settle", "void"
    ]  # fmt: skip
    assert_settled(service, run_id, "5")
    assert service.marked() == []
    assert_loads(service, run_id, adapter=expected.adapter, dora=expected.dora)


def test_a_merged_model_is_made_on_request_and_a_split_may_continue_its_adapter(service: WholeService) -> None:
    draft = wish("split", num_epochs=1)
    run_id = service.submit(**{**draft, "parameters": {"handover": "continue"}, "merged": True}, budget="5")
    document = service.await_end(run_id, PATIENCE)
    assert document["outcome"] == "completed", document["reason"]
    assert [stage["kind"] for stage in document["stages"]] == ["train", "train", "merge", "evaluate"]
    assert evaluations(document)["tuned"]["heldout_loss"] < evaluations(document)["base"]["heldout_loss"]
    assert_loads(service, run_id, adapter=False)
    assert_settled(service, run_id, "5")


def test_a_chain_whose_budget_cuts_it_ends_within_its_cap_with_a_whole_model(service: WholeService) -> None:
    draft = wish("relora", num_epochs=300)
    run_id = service.submit(**{**draft, "parameters": {"iterations": 2, "rank": 8}}, budget="0.18")
    document = service.await_end(run_id, PATIENCE)
    assert document["outcome"] == "budget_reached", document["reason"]
    trainings = [stage for stage in document["stages"] if stage["kind"] == "train"]
    assert all(0 < stage["step"] < stage["intended_steps"] for stage in trainings)
    assert_settled(service, run_id, "0.18")
    assert service.marked() == []
    assert_loads(service, run_id, adapter=False)
