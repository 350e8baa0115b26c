"""A node that obeys docs/node-contract.md and trains nothing: it stands in for the trainer where only time matters.

A step takes SECONDS_PER_STEP, or `seconds_per_step` of the job's `train`. Its trainer is a `sleep` in a session of its
own, so that there is something to be left behind. `{"train": {"misbehave": ...}}` makes it `crash`, go `deaf` to
orders, or write `garbage` between its lines.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import yaml

SECONDS_PER_STEP = 0.02
now = time.time  # noqa: TID251 - a process of its own, with no orchestrator to inject a clock
Document = dict[str, Any]


class Job:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.document: Document = json.loads((folder / "job.json").read_text())
        self.output = Path(self.document["output_dir"])
        config = folder / "config.yaml"
        self.config: Document = yaml.safe_load(config.read_text()) if config.exists() else {}
        self.misbehaviour = self.document.get("train", {}).get("misbehave")
        self.intended = self.max_steps = int(self.config.get("max_steps", 10))
        self.step = self.newest_checkpoint() if self.document.get("train", {}).get("resume_from") else 0

    def newest_checkpoint(self) -> int:
        return max((int(path.name.split("-")[1]) for path in self.output.glob("checkpoint-*")), default=0)

    def write(self, event: str, **fields: Any) -> None:
        with (self.folder / "metrics.jsonl").open("ab") as stream:
            stream.write(json.dumps({"event": event, "at": now(), **fields}).encode() + b"\n")
            if self.misbehaviour == "garbage":
                stream.write(b"\xff\xfe not json\n[1, 2]\n")

    def reason_to_stop(self) -> str | None:
        if self.misbehaviour == "deaf":
            return None
        control = self.folder / "control.json"
        orders = {**self.document, **(json.loads(control.read_text()) if control.exists() else {})}
        if orders.get("stop"):
            return "stop_requested"
        return "soft_deadline" if now() >= orders["soft_deadline"] else None

    def save(self) -> None:
        folder = self.output / f"checkpoint-{self.step}"
        folder.mkdir(parents=True, exist_ok=True)
        self.write("checkpoint", step=self.step, path=str(folder), seconds=0.0)

    def train(self) -> str:
        self.write("begin", pid=os.getpid(), step=self.step, max_steps=self.max_steps, world_size=1)
        while self.step < self.max_steps:
            if (reason := self.reason_to_stop()) is not None:
                self.write("stopping", reason=reason, step=self.step)
                return reason
            time.sleep(float(self.document.get("train", {}).get("seconds_per_step", SECONDS_PER_STEP)))
            self.step += 1
            if self.misbehaviour == "crash" and self.step == 3:
                raise RuntimeError("crashed at step 3, as asked")
            self.write("step", step=self.step, max_steps=self.max_steps, loss=float("nan"), learning_rate=1e-4)
        return "completed"

    def exit(self, cause: str, message: str = "") -> None:
        saved = self.newest_checkpoint()
        checkpoint = str(self.output / f"checkpoint-{saved}") if saved else None
        document = {
            "version": 2,
            "stage_id": self.document["stage_id"],
            "attempt": self.document["attempt"],
            "cause": cause,
            "exit_code": int(cause == "failed"),
            "started_at": 0.0,
            "ended_at": now(),
            "last_step": self.step,
            "max_steps": self.max_steps,
            "intended_steps": self.intended,
            "checkpoint": checkpoint,
            "result": str(self.output) if cause == "completed" else checkpoint,
            "message": message,
        }
        (self.folder / ".exit").write_text(json.dumps(document))
        (self.folder / ".exit").replace(self.folder / "exit.json")


def claimed(folder: Path) -> bool:
    process = psutil.Process()
    record = {"pid": process.pid, "pgid": os.getpgrp(), "create_time": process.create_time(), "started_at": now()}
    written = folder / f".supervisor.{process.pid}"
    written.write_text(json.dumps(record))
    try:
        os.link(written, folder / "supervisor.json")
    except FileExistsError:
        return False
    return True


def main(folder: Path) -> None:
    if not claimed(folder):
        return
    print(f"supervisor of {folder.name}", flush=True)
    trainer = subprocess.Popen(["sleep", "3600"], start_new_session=True)
    job = Job(folder)
    try:
        cause = job.train()
        job.save()
        job.write("end", reason=cause, step=job.step, max_steps=job.max_steps, intended_steps=job.intended)
        message = ""
    except RuntimeError as error:
        cause, message = "failed", str(error)
    trainer.kill()
    trainer.wait()
    job.exit(cause, message)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
