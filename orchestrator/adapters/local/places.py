"""Where everything of this provider lies on disk. Standard library only: the keeper imports it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class LeasePlace:
    """A lease's folder.

    `lease.json` is the launch, `keeper.json` the keeper (its mtime is the heartbeat), `closing.json` the decision to
    end, after which nothing starts any more, and `ended.json` the end.
    """

    folder: Path

    @property
    def home(self) -> Path:
        return self.folder.parents[1]

    @property
    def lease_id(self) -> str:
        return self.folder.name

    @property
    def lease(self) -> Path:
        return self.folder / "lease.json"

    @property
    def keeper(self) -> Path:
        return self.folder / "keeper.json"

    @property
    def keeper_lock(self) -> Path:
        """Held by the keeper for as long as it lives: there is never a second one."""
        return self.folder / "keeper.lock"

    @property
    def keeper_log(self) -> Path:
        return self.folder / "keeper.log"

    @property
    def lock(self) -> Path:
        """Held by the service while it changes the lease or starts something on it. The keeper never waits for it."""
        return self.folder / "lock"

    @property
    def closing(self) -> Path:
        return self.folder / "closing.json"

    @property
    def ended(self) -> Path:
        return self.folder / "ended.json"


@dataclass(frozen=True, slots=True)
class JobPlace:
    """A job's folder, as docs/node-contract.md describes it; `submitted.json` is the provider's own note."""

    folder: Path

    @property
    def job(self) -> Path:
        return self.folder / "job.json"

    @property
    def config(self) -> Path:
        return self.folder / "config.yaml"

    @property
    def control(self) -> Path:
        return self.folder / "control.json"

    @property
    def supervisor(self) -> Path:
        return self.folder / "supervisor.json"

    @property
    def submitted(self) -> Path:
        return self.folder / "submitted.json"

    @property
    def log(self) -> Path:
        return self.folder / "log.txt"

    @property
    def metrics(self) -> Path:
        return self.folder / "metrics.jsonl"

    @property
    def exit(self) -> Path:
        return self.folder / "exit.json"


@dataclass(frozen=True, slots=True)
class Places:
    """Everything below `home`, an absolute path without links."""

    home: Path

    @property
    def leases(self) -> Path:
        return self.home / "leases"

    def lease(self, lease_id: str) -> LeasePlace:
        return LeasePlace(self.leases / lease_id)

    def run(self, run_id: str) -> Path:
        """The folder that holds everything of a run."""
        return self.home / "runs" / run_id

    def data(self, run_id: str, name: str) -> Path:
        return self.home / "runs" / run_id / name

    def output(self, run_id: str, stage_id: str) -> Path:
        return self.home / "runs" / run_id / stage_id / "output"

    def job(self, run_id: str, stage_id: str, attempt: int) -> JobPlace:
        return JobPlace(self.home / "runs" / run_id / stage_id / f"attempt-{attempt}")

    def jobs(self, run_id: str) -> Iterator[JobPlace]:
        """Every job folder of a run, in no particular order."""
        for marker in (self.home / "runs" / run_id).glob("*/attempt-*/job.json"):
            yield JobPlace(marker.parent)
