"""Where the notes on rented machines lie: what was asked of SkyPilot, and what was last read of each job."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from orchestrator.adapters.job_files import JobFolders
from orchestrator.domain.errors import ComputeError
from orchestrator.domain.ids import LeaseId, is_lease_id
from orchestrator.ports.compute import JobKey


@dataclass(frozen=True, slots=True)
class JobNotes:
    """The notes on one job: `submitted.json` is the request that started it, `job.json` its number on the cluster,
    `orders.json` what it was last told. `metrics.jsonl` and `exit.json` are the node's own, as far as they are read."""

    folder: Path

    @property
    def lock(self) -> Path:
        return self.folder / "lock"

    @property
    def follower_lock(self) -> Path:
        """Held by whoever follows the job's log: there is never a second one."""
        return self.folder / "follower.lock"

    @property
    def asked(self) -> Path:
        """Its time says when the job was last asked about: nobody follows what nobody asks about."""
        return self.folder / "asked"

    @property
    def submitted(self) -> Path:
        return self.folder / "submitted.json"

    @property
    def job(self) -> Path:
        return self.folder / "job.json"

    @property
    def orders(self) -> Path:
        return self.folder / "orders.json"

    @property
    def metrics(self) -> Path:
        return self.folder / "metrics.jsonl"

    @property
    def exit(self) -> Path:
        return self.folder / "exit.json"

    @property
    def vanished(self) -> Path:
        return self.folder / "vanished.json"


@dataclass(frozen=True, slots=True)
class LeaseNotes:
    """The notes on one lease. `launch.json` is written before the launch is asked for, `ready.json` when the machine
    was first seen ready, `closing.json` when its end was decided, `ended.json` when it was seen to be gone."""

    folder: Path

    @property
    def lease_id(self) -> LeaseId:
        return LeaseId(self.folder.name)

    @property
    def lock(self) -> Path:
        return self.folder / "lock"

    @property
    def launch(self) -> Path:
        return self.folder / "launch.json"

    @property
    def ready(self) -> Path:
        return self.folder / "ready.json"

    @property
    def refreshed(self) -> Path:
        """Its time says when the provider itself was last asked."""
        return self.folder / "refreshed"

    @property
    def giving_back(self) -> Path:
        return self.folder / "giving_back.json"

    @property
    def closing(self) -> Path:
        return self.folder / "closing.json"

    @property
    def ended(self) -> Path:
        return self.folder / "ended.json"

    @property
    def brought(self) -> Path:
        """What SkyPilot brings to the machine: the node's package, and the orders of its jobs."""
        return self.folder / "brought"

    def job(self, name: str) -> JobNotes:
        return JobNotes(self.folder / "jobs" / name)


@dataclass(frozen=True, slots=True)
class SkyPlaces:
    """Notes below `home`; jobs run below `node_home`, which is a path on the rented machine."""

    home: Path
    node_home: Path

    def lease(self, lease_id: LeaseId) -> LeaseNotes:
        """Raises `ComputeError` for a name that none of ours can bear."""
        if not is_lease_id(lease_id):
            raise ComputeError(f"{lease_id[:80]!r} is not the name of a lease")
        return LeaseNotes(self.home / "skypilot" / lease_id)

    def leases(self) -> Iterator[LeaseNotes]:
        """Every lease that was ever launched or torn down here."""
        for folder in sorted((self.home / "skypilot").glob("lf-*")):
            yield LeaseNotes(folder)

    def job(self, key: JobKey) -> JobNotes:
        return self.lease(key.lease_id).job(job_name(key))

    def on_node(self, key: JobKey, data: str) -> JobFolders:
        run = self.node_home / "runs" / key.run_id
        return JobFolders(run / key.stage_id / f"attempt-{key.attempt}", run / key.stage_id / "output", run / data)


def job_name(key: JobKey) -> str:
    """What a job is called on its cluster: safe in a path and in a shell, as the ids it is made of are."""
    return f"{key.stage_id}-{key.attempt}"
