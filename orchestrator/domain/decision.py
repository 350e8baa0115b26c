"""What a decision is made from, and what it says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from orchestrator.domain.journal import Entry, EntryKind
from orchestrator.domain.json_value import JsonValue
from orchestrator.domain.lease import Lease
from orchestrator.domain.ledger import Posting
from orchestrator.domain.lifecycle import Outcome, RunEvent
from orchestrator.domain.observations import JobView, MachineView
from orchestrator.domain.planner import Market
from orchestrator.domain.run import Run
from orchestrator.domain.stages import Stage


class Act(StrEnum):
    """What must be done in the world; each is idempotent."""

    LAUNCH = "launch"
    SUBMIT = "submit"
    REQUEST_STOP = "request_stop"
    EXTEND = "extend"
    """Tell the machine and its job the later ends that a top-up pays for."""
    MOVE_DEADLINES = "move_deadlines"
    TEAR_DOWN = "tear_down"


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that a decision depends on. `machine` and `job` are None when there was nothing to ask about."""

    run: Run
    lease: Lease | None
    postings: tuple[Posting, ...]
    machine: MachineView | None
    job: JobView | None
    market: Market
    now: datetime


def need_lease(facts: Facts) -> Lease:
    """The lease that the run's status says it holds."""
    assert facts.lease is not None, f"{facts.run.id} is {facts.run.status} without a lease"
    return facts.lease


@dataclass(slots=True)
class Decision:
    """What becomes of the run, and what must be done. Built up while deciding, then only read."""

    run: Run
    lease: Lease | None
    now: datetime
    acts: list[Act] = field(default_factory=list)
    postings: list[Posting] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)

    def move(self, event: RunEvent, reason: str = "") -> None:
        """Take the transition and write it into the journal."""
        self.run = self.run.after(event)
        data: dict[str, JsonValue] = {"status": self.run.status.value, "event": event.value, "reason": reason}
        if self.run.outcome is not None:
            data["outcome"] = self.run.outcome.value
        self.tell(EntryKind.STATUS, f"status:{event}:{self.run.version}", data)

    def tell(self, kind: EntryKind, key: str, data: Mapping[str, JsonValue]) -> None:
        self.entries.append(Entry(self.run.id, kind, self.now, key, data))

    def post(self, *postings: Posting) -> None:
        for posting in postings:
            self.postings.append(posting)
            self.tell(
                EntryKind.LEDGER,
                f"ledger:{posting.key}",
                {"kind": posting.kind.value, "amount": posting.amount.dollars(), "lease": posting.lease_id},
            )

    def set_stage(self, stage: Stage) -> None:
        self.run = self.run.with_stage(stage)
        cause = stage.exit.cause.value if stage.exit and stage.is_finished else None
        message = stage.exit.message if stage.exit else ""
        self.tell(
            EntryKind.STAGE,
            f"stage:{stage.id}:{stage.attempt}:{stage.status}",
            {"stage": stage.id, "status": stage.status.value, "attempt": stage.attempt, "cause": cause,
             "message": message},
        )  # fmt: skip

    def finish(self, outcome: Outcome, reason: str) -> None:
        """Say why the run ends; the first reason stays."""
        if self.run.outcome is None:
            self.run = replace(self.run, outcome=outcome, reason=reason)
