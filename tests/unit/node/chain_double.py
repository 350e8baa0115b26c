"""A supervisor that obeys docs/node-contract.md and trains nothing: it stands in where only the chain's order matters.

Files in the chain's output folder tell it to misbehave once at a stage: `fail-01-train`, `wait-01-train` (until it is
asked to stop), `linger-01-train` (for a second).
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from workers.node import processes


def main(job_dir: Path) -> None:
    job = json.loads((job_dir / "job.json").read_text())
    here = {"pid": os.getpid(), "create_time": processes.created_at(os.getpid())}
    (job_dir / "supervisor.json").write_text(json.dumps(here))
    root, stage = Path(job["data_dir"]).parent, job["stage_id"]
    with (root / "ran.txt").open("a") as ran:
        ran.write(f"{stage} attempt {job['attempt']}\n")
    cause = "completed"
    if told(root / f"fail-{stage}"):
        cause = "failed"
    if told(root / f"wait-{stage}"):
        while not (job_dir / "control.json").exists():
            time.sleep(0.02)
        cause = "stop_requested"
    if told(root / f"linger-{stage}"):
        time.sleep(1)
    exit_document = {"cause": cause, "result": None, "message": "no memory left" if cause == "failed" else ""}
    if cause == "completed":
        exit_document["result"] = str(made(job))
    (job_dir / "exit.json").write_text(json.dumps({**exit_document, "started_at": 100.0, "ended_at": 130.0}))


def made(job: dict) -> Path:
    if job["kind"] == "train":
        result = Path(job["output_dir"])
        line = {"event": "step", "step": 1, "loss": 2.5}
        (Path(job["job_dir"]) / "metrics.jsonl").write_text(json.dumps(line) + "\n")
    else:
        result = Path(job["output_dir"]) / "merged"
        assert Path(job["merge"]["adapter_dir"]).is_dir()
    result.mkdir(parents=True, exist_ok=True)
    if job["kind"] == "merge":
        (result / "latticeforge_merge.json").write_text("{}")
    return result


def told(path: Path) -> bool:
    if not path.exists():
        return False
    path.unlink()
    return True


if __name__ == "__main__":
    main(Path(sys.argv[1]))
