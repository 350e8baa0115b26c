"""Whole runs with the real trainer on the demonstration's model: what the product promises, kept while things die."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.e2e.demonstration import PATIENCE, assert_loads, assert_settled, await_step, evaluations, ledger_of, wish
from tests.e2e.service import PARTS, WholeService, until

pytestmark = [pytest.mark.e2e, pytest.mark.trainer]


def test_strategy_a_learns_the_skill_and_its_books_are_settled(service: WholeService) -> None:
    run_id = service.submit(**wish("dora_neftune"))
    document = service.await_end(run_id, PATIENCE)
    assert document["outcome"] == "completed", document["reason"]
    before, after = evaluations(document)["base"], evaluations(document)["tuned"]
    assert before["rows"] == after["rows"] == after["of_rows"]
    assert after["heldout_loss"] < before["heldout_loss"] / 2
    assert before["exact_match"] < 0.2
    assert after["exact_match"] > 0.6
    assert_settled(service, run_id, "50")
    assert service.marked() == []
    assert_loads(service, run_id, adapter=True, dora=True)


def test_a_budget_that_cannot_cover_it_ends_with_a_checkpoint_and_a_top_up_goes_on_from_it(
    service: WholeService,
) -> None:
    run_id = service.submit(**wish("dora_neftune", num_epochs=60), budget="0.12")
    document = service.await_end(run_id, PATIENCE)
    assert document["outcome"] == "budget_reached", document["reason"]
    assert_settled(service, run_id, "0.12")
    assert service.marked() == []
    assert_loads(service, run_id, adapter=True, dora=True)
    stopped_at = document["stages"][0]["step"]
    assert 0 < stopped_at < document["stages"][0]["intended_steps"]
    assert service.http.post(f"/runs/{run_id}/budget", json={"amount": "0.08"}).is_success
    resumed = service.await_end(run_id, PATIENCE)
    assert resumed["outcome"] == "budget_reached", resumed["reason"]
    begins = service.http.get(f"/runs/{run_id}/metrics", params={"event": "begin"}).json()["metrics"]
    assert [begin["data"]["step"] for begin in begins] == [0, stopped_at]
    assert resumed["stages"][0]["step"] > stopped_at
    assert_settled(service, run_id, "0.20")


def test_each_part_is_killed_in_turn_and_the_training_does_not_notice(service: WholeService) -> None:
    run_id = service.submit(**wish("lora", num_epochs=12))
    await_step(service, run_id, 5)
    trainer = {process.pid for process in service.marked()}
    for part in PARTS:
        service.await_restart(part, service.kill(part))
        service.await_alive("database", "worker", "beat", "guard")
        assert service.run(run_id)["status"] == "running", f"the run noticed the death of {part}"
    assert trainer <= {process.pid for process in service.marked()}
    document = service.await_end(run_id, PATIENCE)
    assert document["outcome"] == "completed", document["reason"]
    assert [stage["attempt"] for stage in document["stages"]] == [1, 1]
    steps = service.http.get(f"/runs/{run_id}/metrics", params={"event": "step", "limit": 5000}).json()["metrics"]
    assert [point["data"]["step"] for point in steps] == list(range(1, len(steps) + 1))
    kinds = [posting["kind"] for posting in ledger_of(service, run_id)["postings"]]
    assert sorted(kinds) == ["grant", "reserve", "settle", "void"]
    assert_settled(service, run_id, "50")


def test_a_cancelled_training_keeps_its_checkpoint_and_gives_the_machine_back(service: WholeService) -> None:
    run_id = service.submit(**wish("lora"))
    await_step(service, run_id, 10)
    asked = time.monotonic()
    assert service.http.post(f"/runs/{run_id}/cancel").status_code == 202
    document = service.await_end(run_id, 60)
    assert document["outcome"] == "cancelled"
    assert time.monotonic() - asked < 30
    assert service.marked() == []
    assert_loads(service, run_id, adapter=True)
    assert_settled(service, run_id, "50")


@pytest.fixture
def doomed(demonstration: Path, tmp_path: Path) -> Iterator[WholeService]:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    shutil.copytree(demonstration, home / "demo")
    service = WholeService(home, {"LATTICEFORGE_LOCAL_IDLE_SECONDS": "10"})
    yield service
    service.stop(signal.SIGKILL)
    for process in service.marked():
        process.kill()


def test_the_whole_service_is_killed_and_the_training_ends_by_itself_at_its_deadline(doomed: WholeService) -> None:
    run_id = doomed.submit(**wish("dora_neftune", num_epochs=200), budget="0.10")
    await_step(doomed, run_id, 5)
    deadline = time.monotonic() + 0.10 / 4 * 3600
    children = psutil.Process(doomed.process.pid).children(recursive=True)
    doomed.process.kill()
    doomed.process.wait()
    assert psutil.wait_procs(children, timeout=10)[1] == []
    assert doomed.marked(), "the training went down with the service"
    until(lambda: not doomed.marked(), deadline - time.monotonic(), "the last process of the machine ends")
    restarted = WholeService(doomed.home)
    try:
        document = restarted.await_end(run_id, 90)
        assert document["outcome"] == "budget_reached", document["reason"]
        assert_settled(restarted, run_id, "0.10")
        assert_loads(restarted, run_id, adapter=True, dora=True)
    finally:
        restarted.stop()
