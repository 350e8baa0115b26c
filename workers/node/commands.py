"""The command lines and the environment of a job's children. All run under the Python that runs the supervisor."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import workers.node
from workers.node.job import Job

JOB_DIR_VARIABLE = "LATTICEFORGE_JOB_DIR"
RESUME_OPTION = "--resume-from"
CODE_ROOT = Path(workers.node.__file__).resolve().parents[2]


def prepare(job: Job) -> list[str]:
    """Split the dataset."""
    return [sys.executable, "-m", "workers.node.prepare", str(job.job_dir)]


def merge(job: Job) -> list[str]:
    """Merge the adapter into its base."""
    return [sys.executable, "-m", "workers.node.merge", str(job.job_dir)]


def evaluate(job: Job) -> list[str]:
    """Evaluate the base model and the adapter."""
    return [sys.executable, "-m", "workers.node.evaluate", str(job.job_dir)]


def restore(job: Job) -> list[str]:
    """Fetch from the store what the stage needs and this machine lacks."""
    return [sys.executable, "-m", "workers.node.restore", str(job.job_dir)]


def courier(job: Job) -> list[str]:
    """Bring checkpoints and the result to the store, beside the stage."""
    return [sys.executable, "-m", "workers.node.courier", str(job.job_dir)]


def train(job: Job, resumed: Path | None) -> list[str]:
    """Train, from the complete checkpoint `resumed` or from the start."""
    assert job.train is not None
    entry = ["-m", "workers.node.train", str(job.job_dir)]
    if resumed is not None:
        entry += [RESUME_OPTION, str(resumed)]
    if job.train.launcher == "python":
        return [sys.executable, *entry]
    # --standalone takes a free port: two jobs on one machine must not meet at torchrun's fixed one.
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(job.train.processes)]
    return [sys.executable, *launch, *entry]


def environment(job: Job) -> dict[str, str]:
    """This process's environment, the job's folder, and the code that travelled with it on PYTHONPATH."""
    inherited = os.environ.get("PYTHONPATH")
    return {
        # Threads that spin while they wait for each other burn the cores that the others need: on a busy CPU machine a
        # step took 6 times as long (docs/adr/0008). Has no effect on a GPU.
        "OMP_WAIT_POLICY": "PASSIVE",
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(CODE_ROOT), *([inherited] if inherited else [])]),
        "PYTHONUNBUFFERED": "1",
        "AXOLOTL_DO_NOT_TRACK": "1",
        JOB_DIR_VARIABLE: str(job.job_dir),
    }


def offline_when_local(*sources: str) -> None:
    """Keep the hub's libraries from asking the network when every model and dataset is on this disk.

    Must run before any of them is imported: they read the variable once.
    """
    if all(Path(source).exists() for source in sources):
        os.environ["HF_HUB_OFFLINE"] = "1"
