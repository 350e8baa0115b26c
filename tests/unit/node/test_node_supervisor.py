"""The supervisor with real processes in place of a trainer: what it starts, asks, ends and writes down."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from workers.node import checkpoints, processes, supervisor
from workers.node.verdict import Progress, StageEnd, cause

ROOT = Path(__file__).resolve().parents[3]
IGNORING = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
HIDING = (  # a child in a session of its own, as torchrun starts its ranks
    "import subprocess, sys, time; "
    "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'], start_new_session=True); time.sleep(60)"
)
OBEYING = (
    "import json, os, signal, sys, time\n"
    "signal.signal(signal.SIGTERM, lambda *_: finish('signal'))\n"
    "path = os.environ['LATTICEFORGE_JOB_DIR'] + '/metrics.jsonl'\n"
    "def say(**line): open(path, 'a').write(json.dumps(line) + chr(10))\n"
    "def finish(why): say(event='end', reason=why, step=3, max_steps=5, intended_steps=9); sys.exit(0)\n"
    "say(event='begin', pid=os.getpid(), step=0, max_steps=9); time.sleep(60)"
)


def job_folder(folder: Path, soft: float, hard: float) -> Path:
    now = time.time()  # noqa: TID251
    rows = folder / "rows.jsonl"
    rows.write_text("".join(json.dumps({"text": f"row {n}"}) + "\n" for n in range(4)))
    document = {
        "version": 2,
        "stage_id": "01-train",
        "kind": "train",
        "attempt": 1,
        "job_dir": str(folder),
        "output_dir": str(folder / "output"),
        "data_dir": str(folder / "data"),
        "soft_deadline": now + soft,
        "hard_deadline": now + hard,
        "seed": 1,
        "dataset": {"source": str(rows), "format": "completion", "heldout_rows": 1, "heldout_source": None},
        "train": {"launcher": "python", "processes": 1, "resume_from": None, "pilot_steps": 2, "save_seconds": 1},
    }
    (folder / "job.json").write_text(json.dumps(document))
    return folder


def started(folder: Path, stage: str, soft: float = 60, hard: float = 90) -> subprocess.Popen[bytes]:
    """A real supervisor whose training stage is the Python program `stage`."""
    job_folder(folder, soft, hard)
    code = (
        "import sys; from workers.node import commands, supervisor; "
        "commands.train = lambda job, resumed: [sys.executable, '-c', sys.argv[2]]; "
        "sys.exit(supervisor.main(sys.argv[1:2]))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "LATTICEFORGE_LEASE_ID": folder.name}
    return subprocess.Popen([sys.executable, "-c", code, str(folder), stage], env=environment, start_new_session=True)


def verdict_of(process: subprocess.Popen[bytes], folder: Path) -> Mapping[str, Any]:
    assert process.wait(30) == 0
    assert left_running(folder) == []
    document: Mapping[str, Any] = json.loads((folder / "exit.json").read_text())
    return document


def left_running(folder: Path) -> list[int]:
    mark = f"LATTICEFORGE_LEASE_ID={folder.name}\0".encode()
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and mark in (entry / "environ").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def wait_for(path: Path, text: str) -> None:
    give_up_at = time.monotonic() + 15
    while not (path.exists() and text in path.read_text()):
        assert time.monotonic() < give_up_at, f"{text} never came to {path.name}"
        time.sleep(0.02)


def test_a_stage_that_never_listens_is_killed_at_the_hard_deadline_with_all_its_children(tmp_path: Path) -> None:
    process = started(tmp_path, IGNORING + "print('deaf', flush=True); " + HIDING)
    wait_for(tmp_path / "log.txt", "deaf")
    hard = time.time() + 3  # noqa: TID251
    (tmp_path / "control.json").write_text(json.dumps({"soft_deadline": hard - 2.5, "hard_deadline": hard}))
    verdict = verdict_of(process, tmp_path)
    assert verdict["cause"] == "hard_deadline"
    assert verdict["exit_code"] == -signal.SIGKILL
    assert 0 <= verdict["ended_at"] - hard < 1.5


def test_a_stage_gets_a_second_call_two_seconds_after_its_soft_deadline(tmp_path: Path) -> None:
    process = started(tmp_path, OBEYING)
    wait_for(tmp_path / "metrics.jsonl", "begin")
    soft = time.time() + 0.5  # noqa: TID251
    (tmp_path / "control.json").write_text(json.dumps({"soft_deadline": soft}))
    verdict = verdict_of(process, tmp_path)
    assert verdict["cause"] == "signal"  # what the stage said, in its own words
    assert 2.0 <= verdict["ended_at"] - soft < 4.0
    assert (verdict["last_step"], verdict["max_steps"], verdict["intended_steps"]) == (3, 5, 9)


def test_a_deadline_that_moves_away_lets_the_stage_go_on(tmp_path: Path) -> None:
    lasting = OBEYING.replace("time.sleep(60)", "time.sleep(6); finish('completed')")
    process = started(tmp_path, lasting)
    wait_for(tmp_path / "metrics.jsonl", "begin")
    now = time.time()  # noqa: TID251
    for soft in (now + 2, now + 50):
        (tmp_path / "control.json").write_text(json.dumps({"soft_deadline": soft, "hard_deadline": soft + 1}))
        time.sleep(0.5)
    assert verdict_of(process, tmp_path)["cause"] == "completed"


def test_a_stop_request_reaches_the_stage_within_seconds(tmp_path: Path) -> None:
    process = started(tmp_path, OBEYING)
    wait_for(tmp_path / "metrics.jsonl", "begin")
    requested_at = time.time()  # noqa: TID251
    (tmp_path / "control.json").write_text('{"stop": true}')
    assert verdict_of(process, tmp_path)["ended_at"] - requested_at < 5.0


def test_sigterm_to_the_supervisor_is_passed_on_at_once(tmp_path: Path) -> None:
    process = started(tmp_path, OBEYING)
    wait_for(tmp_path / "metrics.jsonl", "begin")
    begun = time.monotonic()
    process.terminate()
    assert verdict_of(process, tmp_path)["cause"] == "signal"
    assert time.monotonic() - begun < 2.0


def test_a_supervisor_that_is_killed_outright_takes_the_stage_with_it(tmp_path: Path) -> None:
    process = started(tmp_path, OBEYING)
    wait_for(tmp_path / "metrics.jsonl", "begin")
    assert len(left_running(tmp_path)) == 2
    process.kill()
    process.wait()
    give_up_at = time.monotonic() + 5
    while left_running(tmp_path) and time.monotonic() < give_up_at:
        time.sleep(0.02)
    assert left_running(tmp_path) == []


def test_what_a_stage_leaves_behind_is_ended_before_the_verdict(tmp_path: Path) -> None:
    leaving = HIDING.removesuffix("time.sleep(60)") + "print('gone')"
    verdict = verdict_of(started(tmp_path, leaving), tmp_path)
    assert verdict["cause"] == "failed"  # it exited 0 but never said that it had ended
    assert verdict["message"] == "gone"


def test_a_stage_that_fails_is_quoted(tmp_path: Path) -> None:
    verdict = verdict_of(started(tmp_path, "raise SystemExit('no such optimizer: adamm')"), tmp_path)
    assert (verdict["cause"], verdict["exit_code"]) == ("failed", 1)
    assert verdict["message"] == "no such optimizer: adamm"


def test_rows_that_cannot_be_used_are_named_in_the_verdict_and_nothing_is_started(tmp_path: Path) -> None:
    job_folder(tmp_path, 60, 90)
    (tmp_path / "rows.jsonl").write_text('{"text": "fine"}\n{"tekst": "not"}\n')
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-m", "workers.node.supervisor", str(tmp_path)], env=environment, check=True)
    verdict = json.loads((tmp_path / "exit.json").read_text())
    assert verdict["cause"] == "failed"
    assert verdict["message"] == "rows.jsonl:2: 'text' is missing"


def test_a_second_start_of_the_same_folder_does_nothing(tmp_path: Path) -> None:
    job_folder(tmp_path, 60, 90)
    assert supervisor.claim(tmp_path, 1.0)
    first = (tmp_path / "supervisor.json").read_text()
    assert supervisor.main([str(tmp_path)]) == 0
    assert (tmp_path / "supervisor.json").read_text() == first
    assert not (tmp_path / "exit.json").exists()
    assert json.loads(first)["create_time"] == pytest.approx(processes.created_at(os.getpid()))


def test_a_job_past_its_soft_deadline_starts_nothing(tmp_path: Path) -> None:
    verdict = verdict_of(started(tmp_path, "raise SystemExit('started')", soft=-1, hard=10), tmp_path)
    assert (verdict["cause"], verdict["exit_code"], verdict["message"]) == ("soft_deadline", 0, "")


def test_the_end_line_is_believed_before_the_exit_code() -> None:
    ended = Progress(end_reason="completed")
    assert cause(StageEnd(1, None, killed=False, message=""), ended) == "completed"
    assert cause(StageEnd(0, None, killed=False, message=""), Progress()) == "failed"
    assert cause(StageEnd(-9, "stop_requested", killed=True, message=""), Progress()) == "hard_deadline"
    assert cause(StageEnd(-15, "stop_requested", killed=False, message=""), Progress()) == "stop_requested"
    assert cause(StageEnd(1, "soft_deadline", killed=False, message=""), Progress()) == "failed"


def checkpoint(output: Path, step: int, *, complete: bool = True) -> Path:
    path = checkpoints.checkpoint_dir(output, step)
    path.mkdir(parents=True)
    if complete:
        checkpoints.write_marker(path, {"step": step})
    return path


def test_the_newest_complete_checkpoint_is_by_step_and_ignores_unfinished_ones(tmp_path: Path) -> None:
    assert checkpoints.newest_complete(tmp_path) is None
    checkpoint(tmp_path, 90)
    newest = checkpoint(tmp_path, 100)
    checkpoint(tmp_path, 110, complete=False)
    assert checkpoints.newest_complete(tmp_path) == newest
    checkpoints.forget(tmp_path)
    assert checkpoints.newest_complete(tmp_path) is None


def test_pruning_never_deletes_the_only_complete_checkpoint_nor_one_being_written(tmp_path: Path) -> None:
    old, stale = checkpoint(tmp_path, 10), checkpoint(tmp_path, 15, complete=False)
    newest, writing = checkpoint(tmp_path, 20), checkpoint(tmp_path, 30, complete=False)
    checkpoints.prune(tmp_path, keep=1)
    assert [path.exists() for path in (old, stale, newest, writing)] == [False, False, True, True]
    checkpoints.prune(tmp_path, keep=0)
    assert newest.exists()


def test_the_verdict_is_written_into_room_that_was_set_aside_at_the_start(tmp_path: Path) -> None:
    supervisor.reserve_exit(tmp_path)
    reserved = next(path for path in tmp_path.iterdir())
    inode, size = reserved.stat().st_ino, reserved.stat().st_size
    supervisor.write_exit(tmp_path, {"cause": "failed", "message": "x" * 5000})
    written = tmp_path / "exit.json"
    assert (written.stat().st_ino, list(tmp_path.iterdir())) == (inode, [written])
    assert size > written.stat().st_size
    assert json.loads(written.read_text())["cause"] == "failed"
