"""What one look at the world shows: a machine as its provider shows it, a job as its node shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from orchestrator.domain.json_value import JsonValue
from orchestrator.domain.stages import StageExit


class MachineState(StrEnum):
    """What the provider shows of a lease's machine."""

    ABSENT = "absent"
    """The provider never heard of it."""
    COMING = "coming"
    READY = "ready"
    GONE = "gone"
    """It was there, or failed to come, and is no more: it costs nothing any longer."""


@dataclass(frozen=True, slots=True)
class MachineView:
    """A machine as the provider shows it. `ended_at` is when billing stopped, None if the provider cannot tell."""

    state: MachineState
    ended_at: datetime | None = None
    message: str = ""

    @property
    def is_over(self) -> bool:
        return self.state in {MachineState.ABSENT, MachineState.GONE}


class JobState(StrEnum):
    UNKNOWN_JOB = "unknown_job"
    """Never submitted here."""
    RUNNING = "running"
    EXITED = "exited"


@dataclass(frozen=True, slots=True)
class JobView:
    """A job as the node shows it: `lines` are the complete metrics lines from the byte `offset` that was asked for,
    parsed, at most a bounded number a call; `next_offset` is where to go on. `exit` is set when it has exited and
    every line was delivered, with `ExitCause.VANISHED` if it left no marker."""

    state: JobState
    lines: tuple[Mapping[str, JsonValue], ...] = ()
    next_offset: int = 0
    exit: StageExit | None = None
