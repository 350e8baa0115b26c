"""Ask a run to stop: its checkpoint is kept, its machine given back, its lease settled by the next ticks."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.domain.errors import ConflictError
from orchestrator.domain.ids import RunId
from orchestrator.domain.journal import Entry, EntryKind
from orchestrator.domain.lifecycle import RunStatus
from orchestrator.domain.run import Run
from orchestrator.ports.clock import Clock
from orchestrator.ports.signals import Notify, Wakeup
from orchestrator.ports.store import RunChange, RunRecord, Store
from orchestrator.services.saving import save_latest


class CancelRun:
    """Idempotent while the run lives; `ConflictError` once it has ended, `NotFoundError` if there is none."""

    def __init__(self, store: Store, clock: Clock, wakeup: Wakeup, notify: Notify) -> None:
        self._store = store
        self._clock = clock
        self._wakeup = wakeup
        self._notify = notify

    def execute(self, run_id: RunId) -> Run:
        run = save_latest(self._store, run_id, self._cancel)
        self._wakeup.wake(run_id)
        self._notify.changed(run_id)
        return run

    def _cancel(self, record: RunRecord) -> RunChange | None:
        run = record.run
        if run.status is RunStatus.ENDED:
            raise ConflictError(f"the run has ended already ({run.outcome})")
        if run.cancel_requested_at is not None:
            return None
        now = self._clock.now()
        entry = Entry(run.id, EntryKind.NOTE, now, "cancel", {"message": "cancel was asked for"})
        return RunChange(replace(run, cancel_requested_at=now, wake_at=now), entries=(entry,))
