"""Raise a run's cap. A live run goes on longer; one that its budget ended goes on from its checkpoint."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.domain import ledger
from orchestrator.domain.errors import ConflictError, InvalidInputError
from orchestrator.domain.ids import RunId
from orchestrator.domain.journal import Entry, EntryKind
from orchestrator.domain.lifecycle import Outcome, RunEvent, RunStatus
from orchestrator.domain.money import MAX_DOLLARS, MICROS_PER_DOLLAR, parse_dollars
from orchestrator.domain.run import Run
from orchestrator.ports.clock import Clock
from orchestrator.ports.signals import Notify, Wakeup
from orchestrator.ports.store import RunChange, RunRecord, Store
from orchestrator.services.saving import save_latest


class TopUpBudget:
    """Grants `amount` dollars more. The same idempotency key grants once. `ConflictError` for a run that ended for
    another reason than its budget: more money would change nothing."""

    def __init__(self, store: Store, clock: Clock, wakeup: Wakeup, notify: Notify) -> None:
        self._store = store
        self._clock = clock
        self._wakeup = wakeup
        self._notify = notify

    def execute(self, run_id: RunId, amount: object, idempotency_key: str | None = None) -> Run:
        money = parse_dollars(amount, "amount")

        def grant(record: RunRecord) -> RunChange | None:
            key = f"top-up:key:{idempotency_key}" if idempotency_key else f"top-up:version:{record.run.version}"
            posting = ledger.grant(run_id, money, self._clock.now(), key)
            same = next((each for each in record.postings if each.key == posting.key), None)
            if same is not None:
                if same.amount != money:
                    raise ConflictError("this Idempotency-Key was used for another amount")
                return None
            if (ledger.fold(record.postings).cap + money).micros > MAX_DOLLARS * MICROS_PER_DOLLAR:
                raise InvalidInputError.of("amount", f"would raise the cap above {MAX_DOLLARS:,} dollars")
            return self._change(record.run, posting)

        run = save_latest(self._store, run_id, grant)
        self._wakeup.wake(run_id)
        self._notify.changed(run_id)
        return run

    def _change(self, run: Run, posting: ledger.Posting) -> RunChange:
        told: dict[str, str] = {}
        if run.status is RunStatus.ENDED:
            if run.outcome is not Outcome.BUDGET_REACHED:
                raise ConflictError(f"the run has ended ({run.outcome}); more money would change nothing")
            if not run.can_use_more:
                raise ConflictError("the run's last training has used all of its data; more money would change nothing")
            run = run.reopened().after(RunEvent.TOPPED_UP)
            told = {"status": run.status.value, "event": RunEvent.TOPPED_UP.value}
        run = replace(run, wake_at=posting.at)
        entries = [
            Entry(
                run.id,
                EntryKind.LEDGER,
                posting.at,
                f"ledger:{posting.key}",
                {"kind": posting.kind.value, "amount": posting.amount.dollars()},
            )
        ]
        if told:
            entries.append(Entry(run.id, EntryKind.STATUS, posting.at, f"status:topped_up:{run.version}", {**told}))
        return RunChange(run, postings=(posting,), entries=tuple(entries))
