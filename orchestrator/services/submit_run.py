"""Accept a run: quote it first, then keep it with its cap granted. The machine is asked for by the next tick."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict

from orchestrator.domain import ledger
from orchestrator.domain.errors import InvalidInputError
from orchestrator.domain.journal import Entry, EntryKind
from orchestrator.domain.run import Run
from orchestrator.ports.clock import Clock
from orchestrator.ports.ids import Ids
from orchestrator.ports.signals import Notify, Wakeup
from orchestrator.ports.store import IdempotencyRecord, RunChange, Store
from orchestrator.services.draft import RunDraft
from orchestrator.services.quote import QuoteRun

MAX_IDEMPOTENCY_KEY = 200


class SubmitRun:
    """Raises what `QuoteRun` raises; with an idempotency key, the same wish again returns the run made first."""

    def __init__(self, store: Store, quote: QuoteRun, clock: Clock, ids: Ids, wakeup: Wakeup, notify: Notify) -> None:
        self._store = store
        self._quote = quote
        self._clock = clock
        self._ids = ids
        self._wakeup = wakeup
        self._notify = notify

    def execute(self, draft: RunDraft, idempotency_key: str | None = None) -> Run:
        record = idempotency_record(draft, idempotency_key)
        known = None if record is None else self._store.recall(record)
        if known is not None:
            # Asked again: what has changed since in prices or files must not turn a running run into an error.
            return known
        quote = self._quote.execute(draft)
        now = self._clock.now()
        run = Run(self._ids.new_run_id(), quote.spec, now, wake_at=now, quoted=quote.plan.offer.as_listed)
        cap = ledger.grant(run.id, quote.cap, now, "cap")
        entries = (
            Entry(
                run.id, EntryKind.STATUS, now, "status:submitted", {"status": run.status.value, "event": "submitted"}
            ),
            Entry(
                run.id, EntryKind.LEDGER, now, f"ledger:{cap.key}", {"kind": "grant", "amount": cap.amount.dollars()}
            ),
            *(
                Entry(run.id, EntryKind.NOTE, now, f"note:{index}", {"message": note})
                for index, note in enumerate(quote.spec.notes)
            ),
        )
        kept = self._store.create(RunChange(run, None, (cap,), entries), record)
        self._wakeup.wake(kept.id)
        self._notify.changed(kept.id)
        return kept


def idempotency_record(draft: RunDraft, key: str | None) -> IdempotencyRecord | None:
    """The client's key with a digest of its wish; `InvalidInputError` for a key that is empty or too long."""
    if key is None:
        return None
    if not key.strip() or len(key) > MAX_IDEMPOTENCY_KEY or not key.isprintable():
        raise InvalidInputError.of("Idempotency-Key", f"must be 1 to {MAX_IDEMPOTENCY_KEY} printable characters")
    canonical = json.dumps(asdict(draft), sort_keys=True, default=str)
    return IdempotencyRecord(key, hashlib.sha256(canonical.encode()).hexdigest())
