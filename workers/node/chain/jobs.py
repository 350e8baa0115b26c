"""Job folders, run one after the other by the node's supervisor; what has ended well is found again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workers.node import checkpoints, processes
from workers.node.clock import SYSTEM_CLOCK
from workers.node.commands import CODE_ROOT
from workers.node.job import CONFIG_FILE, CONTRACT_VERSION, CONTROL_FILE, JOB_FILE, METRICS_FILE
from workers.node.journal import JournalReader
from workers.node.supervisor import EXIT_FILE, SUPERVISOR_FILE

SUPERVISOR = (sys.executable, "-m", "workers.node.supervisor")
POLL_SECONDS = 0.2
SAME_PROCESS_SECONDS = 2.0
"""A process that was created within this of the recorded moment is the recorded one."""
ENDED_WELL = ("completed", "soft_deadline")
"""A training that its deadline ended has a checkpoint, which is a result; a merge that it ended has none."""


@dataclass(frozen=True, slots=True)
class Order:
    """One stage to be run. `folder` holds its attempts; `section` is the job document's part for `kind`."""

    folder: Path
    stage_id: str
    kind: str
    output_dir: Path
    section: Mapping[str, Any]
    config: Mapping[str, Any] | None
    soft_deadline: float
    hard_deadline: float


@dataclass(frozen=True, slots=True)
class Ended:
    """How a stage ended. `result` is a folder that exists, None when there is none; `seconds` is what it took."""

    cause: str
    result: Path | None
    message: str
    seconds: float
    attempt: Path

    @property
    def well(self) -> bool:
        """Whether the chain can go on from it."""
        return self.cause in ENDED_WELL and self.result is not None


class Node:
    """Runs orders; `common` are the job document's fields that all of them share. `stop` may be called by a signal."""

    def __init__(self, common: Mapping[str, Any], supervisor: Sequence[str] = SUPERVISOR) -> None:
        self._common = common
        self._supervisor = tuple(supervisor)
        self.stopping = False

    def stop(self) -> None:
        """Ask the job that runs to save and end, and start no other."""
        self.stopping = True

    def run(self, order: Order) -> Ended:
        """Run the next attempt, or wait for the one that still runs since the chain was killed, to its verdict."""
        attempts = _attempts(order.folder)
        if attempts and _is_running(attempts[-1]):
            return self._wait(attempts[-1], lambda: _is_running(attempts[-1]))
        attempt = order.folder / f"attempt-{len(attempts) + 1}"
        self._write(order, attempt, len(attempts) + 1)
        # A session of its own: the terminal's Ctrl-C must reach the chain only, which asks for a checkpoint first.
        process = subprocess.Popen(
            [*self._supervisor, str(attempt)], env=_environment(order), cwd=attempt, start_new_session=True
        )
        return self._wait(attempt, lambda: process.poll() is None)

    def _write(self, order: Order, attempt: Path, number: int) -> None:
        attempt.mkdir(parents=True)
        section = dict(order.section)
        if order.kind == "train":
            section["resume_from"] = "latest" if number > 1 else None
        if order.config is not None:
            import yaml

            (attempt / CONFIG_FILE).write_text(yaml.safe_dump(dict(order.config)), encoding="utf-8")
        document = {
            **self._common,
            "version": CONTRACT_VERSION,
            "stage_id": order.stage_id,
            "kind": order.kind,
            "attempt": number,
            "job_dir": str(attempt),
            "output_dir": str(order.output_dir),
            "soft_deadline": order.soft_deadline,
            "hard_deadline": order.hard_deadline,
            order.kind: section,
        }
        checkpoints.write_atomically(attempt / JOB_FILE, document)

    def _wait(self, attempt: Path, running: Callable[[], bool]) -> Ended:
        told = False
        while running():
            if self.stopping and not told:
                checkpoints.write_atomically(attempt / CONTROL_FILE, {"stop": True})
                told = True
            time.sleep(POLL_SECONDS)
        return _verdict(attempt)


def finished(folder: Path) -> Ended | None:
    """The newest attempt in `folder` that ended well, or None; a result that was deleted is none."""
    verdicts = (_verdict(attempt) for attempt in reversed(_attempts(folder)) if (attempt / EXIT_FILE).exists())
    return next((ended for ended in verdicts if ended.well), None)


def last_loss(attempt: Path) -> float | None:
    """The training loss of the last step that was reported, None when there is none."""
    steps = [event for event in JournalReader(attempt / METRICS_FILE).new_events() if event["event"] == "step"]
    loss = steps[-1].get("loss") if steps else None
    return float(loss) if isinstance(loss, int | float) else None


def _verdict(attempt: Path) -> Ended:
    document = _object(attempt / EXIT_FILE)
    if not document:
        return Ended("failed", None, "its supervisor ended without a verdict", 0.0, attempt)
    result = document.get("result")
    found = Path(result) if isinstance(result, str) and Path(result).is_dir() else None
    seconds = float(document.get("ended_at") or 0.0) - float(document.get("started_at") or 0.0)
    return Ended(str(document.get("cause")), found, str(document.get("message") or ""), max(seconds, 0.0), attempt)


def _attempts(folder: Path) -> list[Path]:
    found = (path for path in folder.glob("attempt-*") if path.name[len("attempt-") :].isdigit())
    return sorted(found, key=lambda path: int(path.name[len("attempt-") :]))


def _is_running(attempt: Path) -> bool:
    record = _object(attempt / SUPERVISOR_FILE)
    pid, created = record.get("pid"), record.get("create_time")
    if not isinstance(pid, int) or not isinstance(created, int | float):
        return False
    facts = processes.facts_of(pid)
    return facts is not None and facts.alive and abs(processes.created_at(pid) - created) < SAME_PROCESS_SECONDS


def _environment(order: Order) -> dict[str, str]:
    inherited = os.environ.get("PYTHONPATH")
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(CODE_ROOT), *([inherited] if inherited else [])]),
        # The contract's mark on every process of a job.
        "LATTICEFORGE_LEASE_ID": f"chain-{order.stage_id}-{int(SYSTEM_CLOCK.wall())}",
    }


def _object(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}
