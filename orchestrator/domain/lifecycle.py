"""The life of a run is one table. Why a run ended is an `Outcome`, not a status."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from orchestrator.domain.errors import IllegalTransitionError


class RunStatus(StrEnum):
    """Where a run is. Each status is pursued on every tick until the facts allow the next one."""

    QUEUED = "queued"
    """Waits for money and a machine: the next tick plans and reserves."""
    PROVISIONING = "provisioning"
    """A lease is recorded and funded; the machine is asked for, or is on its way."""
    RUNNING = "running"
    """The machine is there; stages run on it, one after another."""
    STOPPING = "stopping"
    """The stage was asked to save a checkpoint and stop."""
    RELEASING = "releasing"
    """The machine is being given back; left only when the provider's list no longer shows it."""
    ENDED = "ended"


class RunEvent(StrEnum):
    """What can happen to a run, as past participles."""

    FUNDED = "funded"
    REFUSED = "refused"
    MACHINE_READY = "machine_ready"
    MACHINE_LOST = "machine_lost"
    WORK_DONE = "work_done"
    STAGE_FAILED = "stage_failed"
    STOP_REQUESTED = "stop_requested"
    STAGE_STOPPED = "stage_stopped"
    SETTLED = "settled"
    REQUEUED = "requeued"
    TOPPED_UP = "topped_up"


class Outcome(StrEnum):
    """Why a run ended."""

    COMPLETED = "completed"
    BUDGET_REACHED = "budget_reached"
    TIME_REACHED = "time_reached"
    CANCELLED = "cancelled"
    FAILED = "failed"


_S, _E = RunStatus, RunEvent

TRANSITIONS: Mapping[tuple[RunStatus, RunEvent], RunStatus] = MappingProxyType(
    {
        (_S.QUEUED, _E.FUNDED): _S.PROVISIONING,
        (_S.QUEUED, _E.REFUSED): _S.ENDED,
        (_S.QUEUED, _E.STOP_REQUESTED): _S.ENDED,
        (_S.PROVISIONING, _E.MACHINE_READY): _S.RUNNING,
        (_S.PROVISIONING, _E.MACHINE_LOST): _S.RELEASING,
        (_S.PROVISIONING, _E.STOP_REQUESTED): _S.RELEASING,
        (_S.RUNNING, _E.WORK_DONE): _S.RELEASING,
        (_S.RUNNING, _E.STAGE_FAILED): _S.RELEASING,
        (_S.RUNNING, _E.MACHINE_LOST): _S.RELEASING,
        (_S.RUNNING, _E.STOP_REQUESTED): _S.STOPPING,
        (_S.STOPPING, _E.STAGE_STOPPED): _S.RELEASING,
        (_S.STOPPING, _E.MACHINE_LOST): _S.RELEASING,
        (_S.RELEASING, _E.SETTLED): _S.ENDED,
        (_S.RELEASING, _E.REQUEUED): _S.QUEUED,
        # More money after the budget ended a run: it goes on from its checkpoint.
        (_S.ENDED, _E.TOPPED_UP): _S.QUEUED,
    }
)

HOLDS_LEASE = frozenset({_S.PROVISIONING, _S.RUNNING, _S.STOPPING, _S.RELEASING})
"""Statuses in which exactly one lease of the run is open."""


def next_status(status: RunStatus, event: RunEvent) -> RunStatus:
    """The status after `event`; `IllegalTransitionError` for a pair outside the table."""
    try:
        return TRANSITIONS[status, event]
    except KeyError:
        raise IllegalTransitionError(f"a run that is {status} cannot take {event}") from None
