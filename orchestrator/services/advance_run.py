"""One tick of one run: load, observe, decide, save, pursue, learn. Seconds long, idempotent, never in a transaction."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from orchestrator.domain.advance import decide
from orchestrator.domain.decision import Act, Decision, Facts
from orchestrator.domain.errors import ComputeError, ConflictError, StaleVersionError
from orchestrator.domain.ids import RunId
from orchestrator.domain.lease import Lease
from orchestrator.domain.lifecycle import RunStatus
from orchestrator.domain.observations import JobState, JobView, MachineView
from orchestrator.domain.run import Run
from orchestrator.domain.stages import Stage, StageStatus
from orchestrator.ports.clock import Clock
from orchestrator.ports.compute import Compute, JobKey, JobOrder
from orchestrator.ports.signals import Notify
from orchestrator.ports.store import RunChange, RunRecord, Store
from orchestrator.ports.trainer import Trainer
from orchestrator.services.learn import Learn
from orchestrator.services.markets import Markets

log = logging.getLogger(__name__)

T = TypeVar("T")


def running_job(run: Run, lease: Lease | None) -> tuple[Stage, JobKey] | None:
    """The stage that has a job on `lease` now, with the job's key."""
    stage = run.current_stage
    if lease is None or not lease.is_open or stage is None or stage.status is not StageStatus.RUNNING:
        return None
    return stage, JobKey(run.id, lease.id, stage.id, stage.attempt)


def _ended(before: Run, after: Run) -> tuple[Stage, ...]:
    """The stages that are finished in `after` and were not in `before`."""
    known = {stage.id for stage in before.stages if stage.is_finished}
    return tuple(stage for stage in after.stages if stage.is_finished and stage.id not in known)


class AdvanceRun:
    """Moves a run as far as the facts allow. Returns whether anything changed, so that a caller may tick again."""

    def __init__(
        self,
        store: Store,
        compute: Compute,
        trainer: Trainer,
        markets: Markets,
        clock: Clock,
        notify: Notify,
        learn: Learn,
    ) -> None:
        self._store = store
        self._compute = compute
        self._trainer = trainer
        self._markets = markets
        self._clock = clock
        self._notify = notify
        self._learn = learn

    def execute(self, run_id: RunId) -> bool:
        record = self._store.load(run_id)
        if record.run.status is RunStatus.ENDED:
            return False
        decision = decide(self._observe(record))
        try:
            changed = self._save(record, decision)
        except StaleVersionError:
            return True
        except ConflictError as error:
            # The only machine of its kind is taken: the run stays queued and the sweep asks again.
            log.info("%s waits: %s", run_id, error)
            return False
        self._pursue(decision)
        # Last of all: nothing that costs money waits for it, and a run goes on without it.
        self._learn.execute(decision.run, _ended(record.run, decision.run))
        return changed

    def _observe(self, record: RunRecord) -> Facts:
        machine, job = self._look(record)
        return Facts(record.run, record.lease, record.postings, machine, job, self._markets.market(), self._clock.now())

    def _look(self, record: RunRecord) -> tuple[MachineView | None, JobView | None]:
        lease = record.lease
        if lease is None or not lease.is_open:
            return None, None
        # The job first: what it wrote before its machine went must not be missed.
        job = self._job(record)
        machine = self._or_none(record, lambda: self._compute.machine(lease.id))
        if machine is not None and machine.is_over and job is not None and job.state is JobState.RUNNING:
            # Both may have ended between the two looks.
            job = self._job(record)
        return machine, job

    def _job(self, record: RunRecord) -> JobView | None:
        found = running_job(record.run, record.lease)
        if found is None or record.run.status is RunStatus.RELEASING:
            return None
        stage, key = found
        return self._or_none(record, lambda: self._compute.job(key, stage.metrics_offset))

    def _or_none(self, record: RunRecord, look: Callable[[], T]) -> T | None:
        """What is seen, None when it cannot be looked at: from a failure to look, nothing is concluded."""
        try:
            return look()
        except ComputeError as error:
            log.warning("%s could not be observed: %s", record.run.id, error)
            return None

    def _save(self, record: RunRecord, decision: Decision) -> bool:
        same_lease = decision.lease == record.lease
        if decision.run == record.run and same_lease and not decision.postings and not decision.entries:
            return False
        change = RunChange(
            decision.run, None if same_lease else decision.lease, tuple(decision.postings), tuple(decision.entries)
        )
        self._store.save(change)
        self._notify.changed(record.run.id)
        return True

    def _pursue(self, decision: Decision) -> None:
        for act in decision.acts:
            try:
                self._do(act, decision.run, decision.lease)
            except ComputeError as error:
                log.warning("%s: %s failed and is tried again: %s", decision.run.id, act, error)
                return

    def _do(self, act: Act, run: Run, lease: Lease | None) -> None:
        assert lease is not None, f"{run.id}: {act} without a lease"
        found = running_job(run, lease)
        if act is Act.LAUNCH:
            self._compute.launch(lease)
        elif act is Act.TEAR_DOWN:
            self._compute.teardown(lease.id)
        elif act is Act.EXTEND:
            self._compute.extend(lease.id, lease.window.gone_by)
        elif found is not None:
            self._do_job(act, run, *found)

    def _do_job(self, act: Act, run: Run, stage: Stage, key: JobKey) -> None:
        assert stage.soft_deadline is not None, f"{stage.id} runs without deadlines"
        assert stage.hard_deadline is not None, f"{stage.id} runs without deadlines"
        if act is Act.SUBMIT:
            order = self._trainer.order(run, stage)
            self._compute.submit(
                JobOrder(
                    key, stage.kind, stage.soft_deadline, stage.hard_deadline, order.document, order.config, order.data
                )
            )
        elif act is Act.REQUEST_STOP:
            self._compute.request_stop(key)
        elif act is Act.MOVE_DEADLINES:
            self._compute.move_deadlines(key, stage.soft_deadline, stage.hard_deadline)
