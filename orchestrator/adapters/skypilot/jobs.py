"""Jobs on rented machines: they go as files among what SkyPilot brings over, and come back by their log."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from orchestrator.adapters.documents import locked, number, read_document, replace_document
from orchestrator.adapters.job_files import config_text, job_document, stage_exit
from orchestrator.adapters.metrics import read_metrics
from orchestrator.adapters.skypilot.answers import RequestState
from orchestrator.adapters.skypilot.client import RequestId, SkyPilotClient
from orchestrator.adapters.skypilot.follower import Followers
from orchestrator.adapters.skypilot.places import JobNotes, LeaseNotes, SkyPlaces, job_name
from orchestrator.adapters.skypilot.tasks import NodeSetup, job_task, orders_task
from orchestrator.domain.errors import ComputeError
from orchestrator.domain.json_value import JsonValue
from orchestrator.domain.stages import ExitCause, StageExit
from orchestrator.ports.clock import Clock
from orchestrator.ports.compute import JobKey, JobOrder, JobState, JobView


class SkyJobs:
    """Submits jobs, orders them about and tells what is known of them. `node_path` is the folder of `workers`."""

    def __init__(
        self,
        client: SkyPilotClient,
        followers: Followers,
        places: SkyPlaces,
        node: NodeSetup,
        node_path: Path,
        clock: Clock,
    ) -> None:
        self._client = client
        self._followers = followers
        self._places = places
        self._node = node
        self._node_path = node_path
        self._clock = clock

    def is_submitted(self, key: JobKey) -> bool:
        return self._places.job(key).submitted.exists()

    def start(self, order: JobOrder, accelerators: Mapping[str, JsonValue]) -> None:
        """Write the job among what is brought over and ask for it. Its request is noted before anything waits."""
        notes, lease = self._places.job(order.key), self._places.lease(order.key.lease_id)
        name, folders = job_name(order.key), self._places.on_node(order.key, order.data)
        self._bring_package(lease)
        orders = lease.brought / "orders" / name
        orders.mkdir(parents=True, exist_ok=True)
        if order.config is not None:
            (orders / "config.yaml").write_text(config_text(order.config, folders), encoding="utf-8")
        replace_document(orders / "job.json", job_document(order, folders))
        deadlines = {"soft_deadline": order.soft_deadline, "hard_deadline": order.hard_deadline}
        replace_document(notes.orders, {"stop": False, **{key: at.timestamp() for key, at in deadlines.items()}})
        task = job_task(name, accelerators, lease.brought, self._node)
        request = self._client.execute(order.key.lease_id, task)
        replace_document(notes.submitted, {"request": request, "at": self._clock.now().timestamp()})

    def view(self, key: JobKey, offset: int) -> JobView:
        """The job as far as its log was read. It has EXITED only for a reader who was given all of its lines."""
        notes = self._places.job(key)
        if not notes.submitted.exists():
            return JobView(JobState.UNKNOWN_JOB, next_offset=offset)
        ended = self._exit(key, notes)
        if ended is None:
            self._followers.see_to(key)
        metrics = read_metrics(notes.metrics, offset)
        if ended is None or metrics.more:
            return JobView(JobState.RUNNING, metrics.lines, metrics.next_offset)
        return JobView(JobState.EXITED, metrics.lines, metrics.next_offset, ended)

    def order_stop(self, key: JobKey) -> None:
        self._change_orders(key, {"stop": True})

    def order_deadlines(self, key: JobKey, soft: datetime, hard: datetime) -> None:
        self._change_orders(key, {"soft_deadline": soft.timestamp(), "hard_deadline": hard.timestamp()})

    def _change_orders(self, key: JobKey, change: Mapping[str, JsonValue]) -> None:
        """Bring the whole of a job's orders over, unless they went before and arrived, or are still on their way."""
        notes, lease = self._places.job(key), self._places.lease(key.lease_id)
        if not notes.submitted.exists() or self._exit(key, notes) is not None:
            return
        with locked(notes.lock):
            before = read_document(notes.orders) or {}
            after = before | dict(change)
            if after == before and self._is_brought(before):
                return
            after.pop("request", None)
            control = lease.brought / "control"
            control.mkdir(parents=True, exist_ok=True)
            replace_document(control / f"{job_name(key)}.json", after)
            request = self._client.execute(key.lease_id, orders_task(lease.brought))
            replace_document(notes.orders, after | {"request": request})

    def _is_brought(self, orders: Mapping[str, JsonValue]) -> bool:
        request = orders.get("request")
        if not request:
            # As they were when the job began: its own document says the same.
            return not orders.get("stop")
        state = self._client.state(RequestId(str(request)))
        return state.is_open or state is RequestState.SUCCEEDED

    def _exit(self, key: JobKey, notes: JobNotes) -> StageExit | None:
        if (verdict := read_document(notes.exit)) is not None:
            try:
                return stage_exit(verdict)
            except (ComputeError, ValueError, OverflowError) as error:
                at = datetime.fromtimestamp(notes.exit.stat().st_mtime, UTC)
                return StageExit(ExitCause.VANISHED, at, message=f"its marker cannot be understood: {error}")
        for sign in (notes.vanished, self._places.lease(key.lease_id).ended):
            if (ended := read_document(sign)) is not None:
                at = datetime.fromtimestamp(number(ended, "at"), UTC)
                return StageExit(ExitCause.VANISHED, at, message="left no marker")
        return None

    def _bring_package(self, lease: LeaseNotes) -> None:
        """The node's package, copied once: a service that is updated meanwhile must not change a running machine."""
        target = lease.brought / "workers"
        if target.exists():
            return
        lease.brought.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(lease.brought / ".workers")
        fresh = lease.brought / ".workers"
        shutil.copytree(
            self._node_path / "workers" / "node", fresh / "node", ignore=shutil.ignore_patterns("__pycache__")
        )
        package = self._node_path / "workers" / "__init__.py"
        if package.exists():
            shutil.copyfile(package, fresh / "__init__.py")
        fresh.rename(target)
