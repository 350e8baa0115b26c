"""Jobs on this machine: folders after docs/node-contract.md, each run by a detached supervisor."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from orchestrator.adapters.documents import (
    create_document,
    locked,
    number,
    read_document,
    replace_document,
)
from orchestrator.adapters.job_files import JobFolders, config_text, job_document, stage_exit
from orchestrator.adapters.local.places import JobPlace, Places
from orchestrator.adapters.local.processes import Identity, Mark, start_detached
from orchestrator.adapters.metrics import read_metrics
from orchestrator.domain.errors import ComputeError
from orchestrator.domain.json_value import JsonValue
from orchestrator.domain.stages import ExitCause, StageExit
from orchestrator.ports.clock import Clock
from orchestrator.ports.compute import JobKey, JobOrder, JobState, JobView

INHERITED = ("PATH", "HOME", "USER", "LANG", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES")
INHERITED_PREFIXES = ("LC_", "HF_", "CUDA_", "NVIDIA_", "NCCL_", "TORCH_", "OMP_", "MKL_", "XDG_", "SSL_", "AXOLOTL_")
"""A rented machine would not know the service's environment either; above all it gets none of its secrets."""
STORE_CREDENTIALS = ("AWS_", "GOOGLE_APPLICATION_CREDENTIALS")
"""Given to jobs only where they have a store to bring their files to."""


class LocalJobs:
    """Starts supervisors under `node_python` with `node_path` on PYTHONPATH, and reads what they leave."""

    def __init__(
        self,
        places: Places,
        node_python: Path,
        node_path: Path,
        clock: Clock,
        store: Mapping[str, JsonValue] | None = None,
    ) -> None:
        self._store = store
        self._places = places
        self._node_python = node_python
        self._node_path = node_path
        self._clock = clock

    def is_submitted(self, key: JobKey) -> bool:
        """Whether this very job was started before. `ComputeError` when its folder belongs to another lease."""
        place = self._place(key)
        job = read_document(place.job)
        if job is not None and job.get("lease_id") != key.lease_id:
            raise ComputeError(f"attempt {key.attempt} at {key.stage_id} belongs to {job.get('lease_id')}")
        return job is not None and (place.submitted.exists() or place.supervisor.exists())

    def start(self, order: JobOrder, devices: str) -> None:
        """Write the job's folder and start its supervisor, seeing the GPUs named in `devices`.

        A repetition after a crash halfway is harmless: `supervisor.json` lets only one supervisor run.
        """
        place = self._place(order.key)
        output = self._places.output(order.key.run_id, order.key.stage_id)
        data = self._places.data(order.key.run_id, order.data)
        for folder in (place.folder, output, data):
            folder.mkdir(parents=True, exist_ok=True)
        folders = JobFolders(place.folder, output, data)
        if order.config is not None:
            place.config.write_text(config_text(order.config, folders), encoding="utf-8")
        replace_document(place.job, {**self._stored(order), **job_document(order, folders)})
        mark = Mark(self._places.home, order.key.lease_id)
        environment = {
            **_inherited(STORE_CREDENTIALS if self._store else ()),
            **mark.environment(),
            "PYTHONPATH": str(self._node_path),
            "PYTHONUNBUFFERED": "1",
            "CUDA_VISIBLE_DEVICES": devices,
        }
        command = [str(self._node_python), "-m", "workers.node.supervisor", str(place.folder)]
        supervisor = start_detached(command, environment, place.folder, place.log)
        create_document(place.submitted, {**supervisor.document(), "at": self._clock.now().timestamp()})

    def view(self, key: JobKey, offset: int) -> JobView:
        """The job as its folder shows it. It has EXITED only for a reader who was given all of its lines."""
        if not self.is_submitted(key):
            return JobView(JobState.UNKNOWN_JOB, next_offset=offset)
        # Asked before the lines are read: every line was written before the exit, so none can be missed.
        ended = self._exit(self._place(key), key)
        metrics = read_metrics(self._place(key).metrics, offset)
        if ended is None or metrics.more:
            return JobView(JobState.RUNNING, metrics.lines, metrics.next_offset)
        return JobView(JobState.EXITED, metrics.lines, metrics.next_offset, ended)

    def order_stop(self, key: JobKey) -> None:
        self._change_control(key, {"stop": True})

    def order_deadlines(self, key: JobKey, soft: datetime, hard: datetime) -> None:
        self._change_control(key, {"soft_deadline": soft.timestamp(), "hard_deadline": hard.timestamp()})

    def _change_control(self, key: JobKey, change: Mapping[str, JsonValue]) -> None:
        place = self._place(key)
        if not self.is_submitted(key) or self._exit(place, key) is not None:
            return
        with locked(place.folder / "control.lock"):
            job = read_document(place.job) or {}
            orders: dict[str, JsonValue] = {"stop": False}
            orders |= {name: number(job, name) for name in ("soft_deadline", "hard_deadline")}
            replace_document(place.control, orders | (read_document(place.control) or {}) | dict(change))

    def _place(self, key: JobKey) -> JobPlace:
        return self._places.job(key.run_id, key.stage_id, key.attempt)

    def _exit(self, place: JobPlace, key: JobKey) -> StageExit | None:
        ended = _marked_exit(place)
        if ended is not None or self._is_running(place, key):
            return ended
        # It may have written its marker and ended between the two looks.
        return _marked_exit(place) or StageExit(ExitCause.VANISHED, last_sign_of_life(place), message="left no marker")

    def _is_running(self, place: JobPlace, key: JobKey) -> bool:
        note = read_document(place.supervisor) or read_document(place.submitted)
        return note is not None and Identity.read(note).living(Mark(self._places.home, key.lease_id)) is not None

    def _stored(self, order: JobOrder) -> dict[str, JsonValue]:
        """The section of the artifact store, where there is one."""
        if not self._store:
            return {}
        run_dir = self._places.run(order.key.run_id)
        return {"store": {**self._store, "prefix": order.key.run_id, "run_dir": str(run_dir)}}


def last_sign_of_life(place: JobPlace) -> datetime:
    """When the job last did anything that can be seen: the end it marked, or the newest of its files."""
    ended = _marked_exit(place)
    if ended is not None:
        return ended.ended_at
    files = (place.job, place.submitted, place.supervisor, place.log, place.metrics)
    return datetime.fromtimestamp(max(path.stat().st_mtime for path in files if path.exists()), UTC)


def _marked_exit(place: JobPlace) -> StageExit | None:
    """What the completion marker says. One that makes no sense still says that the job is over, and since when."""
    try:
        document = read_document(place.exit)
        return None if document is None else stage_exit(document)
    except (ComputeError, ValueError, OverflowError) as error:
        written = datetime.fromtimestamp(place.exit.stat().st_mtime, UTC)
        return StageExit(ExitCause.VANISHED, written, message=f"its marker cannot be understood: {error}")


def _inherited(more_prefixes: tuple[str, ...]) -> dict[str, str]:
    prefixes = (*INHERITED_PREFIXES, *more_prefixes)
    return {name: value for name, value in os.environ.items() if name in INHERITED or name.startswith(prefixes)}
