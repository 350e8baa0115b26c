"""The supervisor and its courier with a stage that only writes checkpoints: what reaches the store, and when."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from tests.s3_site import Road, S3Site, credentials, road_to, s3_site
from workers.node.manifest import MANIFEST
from workers.node.store import Store

ROOT = Path(__file__).resolve().parents[2]
STAGE = """
import json, os, sys, time
from pathlib import Path
from workers.node import checkpoints

job = json.loads(Path("job.json").read_text())
output = Path(job["output_dir"])

def say(**line):
    with open("metrics.jsonl", "a") as journal:
        journal.write(json.dumps(line) + chr(10))

def save(step, megabytes=1, keep=1):
    folder = checkpoints.checkpoint_dir(output, step)
    folder.mkdir(parents=True)
    (folder / "weights.bin").write_bytes(os.urandom(megabytes << 20))
    checkpoints.write_marker(folder, {"step": step})
    checkpoints.prune(output, keep)
    say(event="checkpoint", step=step, path=str(folder))

def wait_for_go():
    while not Path("go").exists():
        time.sleep(.02)

def wait_for_stored(name):
    while not (Path("store.json").exists() and name in Path("store.json").read_text()):
        time.sleep(.02)

def end(step=9, reason="completed"):
    if reason == "completed":
        (output / "adapter.bin").write_bytes(b"the result")
    say(event="end", reason=reason, step=step, max_steps=9, intended_steps=9)

say(event="begin", pid=os.getpid(), step=0, max_steps=9)
"""


@pytest.fixture(scope="module")
def server() -> Iterator[S3Site]:
    with s3_site() as running, credentials(running):
        yield running


@pytest.fixture
def site(server: S3Site) -> S3Site:
    server.empty()
    return server


@pytest.fixture
def road(site: S3Site) -> Iterator[Road]:
    with road_to(site) as way:
        yield way


def started(
    run_dir: Path, endpoint_url: str, site: S3Site, stage: str, *, hard: float = 240, **sections: Any
) -> subprocess.Popen[bytes]:
    """A real supervisor of the first attempt below `run_dir`, whose training is STAGE and then `stage`."""
    folder = run_dir / "01-train" / "attempt-1"
    folder.mkdir(parents=True)
    now = time.time()  # noqa: TID251
    rows = run_dir / "rows.jsonl"
    rows.write_text("".join(json.dumps({"text": f"row {n}"}) + "\n" for n in range(4)))
    document = {
        "version": 2,
        "stage_id": "01-train",
        "kind": "train",
        "attempt": 1,
        "job_dir": str(folder),
        "output_dir": str(run_dir / "01-train" / "output"),
        "data_dir": str(run_dir / "data"),
        "soft_deadline": now + hard - 1,
        "hard_deadline": now + hard,
        "seed": 1,
        "dataset": {"source": str(rows), "format": "completion", "heldout_rows": 1, "heldout_source": None},
        "train": {"launcher": "python", "processes": 1, "resume_from": None, "pilot_steps": 2, "save_seconds": 1},
        "store": {"url": site.url, "prefix": "run_1", "run_dir": str(run_dir), "endpoint_url": endpoint_url},
        **sections,
    }
    (folder / "job.json").write_text(json.dumps(document))
    (folder / "output").mkdir()
    code = (
        "import sys; from workers.node import commands, supervisor; "
        "commands.train = lambda job, resumed: [sys.executable, '-c', sys.argv[2]]; "
        "sys.exit(supervisor.main(sys.argv[1:2]))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "LATTICEFORGE_LEASE_ID": str(run_dir)}
    command = [sys.executable, "-c", code, str(folder), STAGE + stage]
    return subprocess.Popen(command, env=environment, start_new_session=True)


def verdict_of(process: subprocess.Popen[bytes], run_dir: Path) -> Mapping[str, Any]:
    assert process.wait(250) == 0
    assert left_running(run_dir) == []
    document: Mapping[str, Any] = json.loads((run_dir / "01-train" / "attempt-1" / "exit.json").read_text())
    return document


def left_running(run_dir: Path) -> list[int]:
    return [pid for pid, _ in processes_of(run_dir)]


def processes_of(run_dir: Path) -> list[tuple[int, bytes]]:
    """The pids that bear the run's mark, each with its command line."""
    mark, found = f"LATTICEFORGE_LEASE_ID={run_dir}\0".encode(), []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and mark in (entry / "environ").read_bytes():
                found.append((int(entry.name), (entry / "cmdline").read_bytes()))
        except OSError:
            continue
    return found


def wait_until(condition: Callable[[], object], seconds: float = 120) -> None:
    give_up_at = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up_at
        time.sleep(0.05)


def go(run_dir: Path) -> None:
    (run_dir / "01-train" / "attempt-1" / "go").touch()


def events(run_dir: Path, name: str) -> list[dict[str, Any]]:
    path = run_dir / "01-train" / "attempt-1" / "metrics.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    return [event for event in map(json.loads, lines) if event["event"] == name]


def test_everything_is_in_the_store_when_the_verdict_is_written(site: S3Site, tmp_path: Path) -> None:
    process = started(tmp_path, site.endpoint_url, site, "save(3); wait_for_go(); save(6); end()")
    wait_until(lambda: f"run_1/01-train/output/checkpoint-3/{MANIFEST}" in site.keys())  # noqa: SIM118
    go(tmp_path)
    verdict = verdict_of(process, tmp_path)
    assert verdict["cause"] == "completed", verdict
    stored = verdict["store"]
    assert stored["message"] == ""
    assert (stored["checkpoint"], stored["result"], stored["marker"]) == ("checkpoint-6", True, True)
    assert verdict["last_step"] == 9
    keys = site.keys()
    assert {key.split("/", 2)[2] for key in keys} == {
        *(f"output/checkpoint-6/{name}" for name in ("weights.bin", "latticeforge_checkpoint.json", MANIFEST)),
        *(f"output/{name}" for name in ("adapter.bin", MANIFEST)),
        *(f"attempt-1/{name}" for name in ("job.json", "log.txt", "metrics.jsonl", "exit.json", MANIFEST)),
    }
    assert json.loads(site.content("run_1/01-train/attempt-1/exit.json"))["cause"] == "completed"
    assert {event["folder"] for event in events(tmp_path, "stored")} == {"checkpoint-3", "checkpoint-6", "output"}
    assert not list(tmp_path.rglob(".store*"))


def test_of_checkpoints_in_quick_succession_the_newest_wins_and_older_ones_go_after_it(
    site: S3Site, road: Road, tmp_path: Path
) -> None:
    road.state, road.bytes_per_second = "slow", 4e6
    quick = "save(1, 24); wait_for_go()\nfor step in range(2, 8): save(step, 8)\n"
    quick += "wait_for_stored('checkpoint-7'); end()"
    process = started(tmp_path, road.endpoint_url, site, quick)
    wait_until(lambda: site.is_being_sent_to)
    go(tmp_path)
    complete: list[set[str]] = []
    while process.poll() is None:
        keys = site.keys()
        complete.append({key.split("/")[3] for key in keys if "checkpoint-" in key and key.endswith(MANIFEST)})
        time.sleep(0.1)
    verdict = verdict_of(process, tmp_path)
    assert verdict["store"]["marker"], verdict
    assert complete[-1] == {"checkpoint-7"}
    first = next(index for index, names in enumerate(complete) if names)
    assert all(complete[first:]), "there was a time without any complete checkpoint"
    sent = [event["folder"] for event in events(tmp_path, "stored") if "checkpoint" in event["folder"]]
    print(f"sent {sent}")
    assert sent == ["checkpoint-1", "checkpoint-7"]  # the first is whole, though the trainer deleted it meanwhile


def test_a_store_that_is_away_costs_the_training_nothing_and_is_told_at_the_end(
    site: S3Site, road: Road, tmp_path: Path
) -> None:
    process = started(
        tmp_path, road.endpoint_url, site, "say(event='ready'); wait_for_go(); save(3); time.sleep(1); end()"
    )
    wait_until(lambda: events(tmp_path, "ready"))
    road.state = "closed"
    go(tmp_path)
    verdict = verdict_of(process, tmp_path)
    assert (verdict["cause"], verdict["exit_code"]) == ("completed", 0)
    assert verdict["result"] == str(tmp_path / "01-train" / "output")
    assert not verdict["store"]["marker"]
    assert "s3://" in verdict["store"]["message"]
    assert site.environment["AWS_SECRET_ACCESS_KEY"] not in json.dumps(verdict)


def test_a_courier_that_is_killed_is_replaced_and_its_checkpoint_arrives(
    site: S3Site, road: Road, tmp_path: Path
) -> None:
    road.state, road.bytes_per_second = "slow", 2e6
    process = started(tmp_path, road.endpoint_url, site, "save(3, 40); wait_for_go(); end()")
    wait_until(lambda: site.is_being_sent_to)
    couriers = [pid for pid, command in processes_of(tmp_path) if b"workers.node.courier" in command]
    os.kill(couriers[0], signal.SIGKILL)
    assert not [key for key in site.keys() if key.endswith(MANIFEST)]  # noqa: SIM118
    road.state = "open"
    wait_until(lambda: events(tmp_path, "stored"))
    go(tmp_path)
    verdict = verdict_of(process, tmp_path)
    assert verdict["cause"] == "completed"
    assert (verdict["store"]["checkpoint"], verdict["store"]["marker"]) == ("checkpoint-3", True)
    assert Store(site.url, site.endpoint_url).newest_complete("run_1/01-train/output") == "checkpoint-3"


def test_a_machine_that_is_taken_away_with_notice_leaves_its_last_checkpoint_in_the_store(
    site: S3Site, tmp_path: Path
) -> None:
    stage = "import signal; told = []; signal.signal(signal.SIGTERM, lambda *_: told.append(1)); say(event='armed')\n"
    stage += "while not told: time.sleep(.05)\nsave(5); end(5, 'signal')"
    process = started(tmp_path, site.endpoint_url, site, stage)
    wait_until(lambda: events(tmp_path, "armed"))
    begun = time.monotonic()
    process.terminate()
    verdict = verdict_of(process, tmp_path)
    print(f"{time.monotonic() - begun:.1f} s from the notice to the verdict")
    assert (verdict["cause"], verdict["store"]["checkpoint"]) == ("signal", "checkpoint-5")
    assert verdict["store"]["marker"]
    assert Store(site.url, site.endpoint_url).newest_complete("run_1/01-train/output") == "checkpoint-5"


def test_when_training_has_ended_an_older_checkpoint_does_not_take_the_last_ones_time(
    site: S3Site, road: Road, tmp_path: Path
) -> None:
    road.state, road.bytes_per_second = "slow", 1e6
    stage = "save(1, 300); wait_for_go(); save(2, 1); say(event='saved', at=time.time()); end(2, 'stop_requested')"
    process = started(tmp_path, road.endpoint_url, site, stage)  # the first alone would take far longer than it has
    wait_until(lambda: site.is_being_sent_to)
    go(tmp_path)
    verdict = verdict_of(process, tmp_path)
    seconds = verdict["ended_at"] - events(tmp_path, "saved")[0]["at"]
    print(f"{seconds:.1f} s from the end of training to the verdict")
    assert (verdict["store"]["checkpoint"], verdict["store"]["marker"]) == ("checkpoint-2", True)
    assert [event["folder"] for event in events(tmp_path, "stored")] == ["checkpoint-2"]
    assert not [key for key in site.keys() if "checkpoint-1/" in key]  # noqa: SIM118


def restored(run_dir: Path, site: S3Site, **sections: Any) -> subprocess.CompletedProcess[str]:
    """`restore` for the evaluation of what the first stage made, on a machine that has nothing."""
    folder = run_dir / "02-evaluate" / "attempt-1"
    folder.mkdir(parents=True)
    evaluate = {"base_model": "a/model", "max_new_tokens": 1, "batch_size": 1, "sequence_len": 8, "harness": None}
    document = {
        "version": 2,
        "stage_id": "02-evaluate",
        "kind": "evaluate",
        "attempt": 1,
        "job_dir": str(folder),
        "output_dir": str(run_dir / "02-evaluate" / "output"),
        "data_dir": str(run_dir / "data"),
        "soft_deadline": 4e9,
        "hard_deadline": 4e9,
        "seed": 1,
        "dataset": {"source": "rows", "format": "completion", "heldout_rows": 1, "heldout_source": None},
        "evaluate": {**evaluate, "tuned_dir": str(run_dir / "01-train" / "output"), **sections},
        "store": {"url": site.url, "prefix": "run_1", "run_dir": str(run_dir), "endpoint_url": site.endpoint_url},
    }
    (folder / "job.json").write_text(json.dumps(document))
    command = [sys.executable, "-m", "workers.node.restore", str(folder)]
    return subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True)


def test_a_later_stage_finds_the_results_of_earlier_ones_on_a_machine_that_never_had_them(
    site: S3Site, tmp_path: Path
) -> None:
    first = tmp_path / "first"
    verdict_of(started(first, site.endpoint_url, site, "save(3); end()"), first)
    shutil.rmtree(first)
    elsewhere = tmp_path / "elsewhere"
    done = restored(elsewhere, site)
    assert done.returncode == 0, done.stdout + done.stderr
    output = elsewhere / "01-train" / "output"
    assert [path.name for path in output.iterdir()] == ["adapter.bin"]
    assert (output / "adapter.bin").read_bytes() == b"the result"

    lost = restored(tmp_path / "lost", site, tuned_dir=str(tmp_path / "lost" / "01-train" / "output" / "checkpoint-9"))
    assert lost.returncode == 1
    assert "run_1/01-train/output/checkpoint-9 is not complete in the store" in lost.stdout


def test_no_delivery_goes_beyond_the_hard_deadline(site: S3Site, road: Road, tmp_path: Path) -> None:
    road.state, road.bytes_per_second = "slow", 0.5e6
    process = started(tmp_path, road.endpoint_url, site, "save(3, 200); end(3, 'stop_requested')", hard=25)
    verdict = verdict_of(process, tmp_path)
    document = json.loads((tmp_path / "01-train" / "attempt-1" / "job.json").read_text())
    assert -2.0 < verdict["ended_at"] - document["hard_deadline"] < 1.0
    assert verdict["cause"] == "stop_requested"
    assert not verdict["store"]["marker"]
    assert verdict["store"]["message"]
    assert Store(site.url, site.endpoint_url).newest_complete("run_1/01-train/output") is None


def test_a_machine_does_not_wait_for_a_store_longer_than_its_patience(site: S3Site, road: Road, tmp_path: Path) -> None:
    road.state, road.bytes_per_second = "slow", 0.2e6
    place = {"url": site.url, "prefix": "run_1", "run_dir": str(tmp_path), "endpoint_url": road.endpoint_url}
    stage = "save(3, 30); say(event='saved', at=time.time()); end()"
    process = started(tmp_path, road.endpoint_url, site, stage, hard=300, store={**place, "patience_seconds": 4})
    verdict = verdict_of(process, tmp_path)
    assert verdict["ended_at"] - events(tmp_path, "saved")[0]["at"] < 8
    assert not verdict["store"]["marker"]


def test_a_training_that_cannot_read_its_checkpoints_does_not_begin_anew(
    site: S3Site, road: Road, tmp_path: Path
) -> None:
    road.state = "closed"
    train = {"launcher": "python", "processes": 1, "resume_from": "latest", "pilot_steps": 2, "save_seconds": 1}
    verdict = verdict_of(started(tmp_path, road.endpoint_url, site, "end()", train=train), tmp_path)
    assert verdict["cause"] == "failed"
    assert "cannot be fetched from the store" in verdict["message"]
    assert events(tmp_path, "begin") == []


def test_without_a_store_nothing_of_it_is_there(site: S3Site, tmp_path: Path) -> None:
    verdict = verdict_of(started(tmp_path, "", site, "save(3); end()", store=None), tmp_path)
    assert verdict["cause"] == "completed"
    assert "store" not in verdict
    assert site.keys() == {}
    assert not list(tmp_path.rglob("*store*"))
