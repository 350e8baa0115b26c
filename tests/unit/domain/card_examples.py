"""A run that ended, with its money and its figures, for tests of its card."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from orchestrator.domain import ledger
from orchestrator.domain.budget import Limit, Window
from orchestrator.domain.card_facts import CardFacts
from orchestrator.domain.ids import lease_id
from orchestrator.domain.json_value import JsonValue
from orchestrator.domain.lease import Lease
from orchestrator.domain.lifecycle import Outcome, RunStatus
from orchestrator.domain.money import Money
from orchestrator.domain.result import result_of
from orchestrator.domain.stages import ExitCause, StageExit, StageKind, StageStatus
from tests.unit.domain import making
from tests.unit.domain.making import ALLOWANCES, NOW, RUN

BASE: dict[str, JsonValue] = {"subject": "base", "rows": 64, "of_rows": 64, "heldout_loss": 3.25, "exact_match": 0.0}
TUNED: dict[str, JsonValue] = {"subject": "tuned", "rows": 64, "of_rows": 64, "heldout_loss": 1.5, "exact_match": 0.5}


def facts(*checkpoints: str, strategy: str = "lora", more: dict[str, Any] | None = None, **spec: Any) -> CardFacts:
    """Facts of a completed run on one lease of 100 seconds; `spec` changes its wish, `more` its facts."""
    wish = making.spec(**{"strategy": strategy, "stages": making.stages(strategy), **spec})
    run = making.run(spec=wish)
    left = checkpoints or ("/home/me/runs/r/01-train/output",)
    stages = tuple(
        replace(
            stage,
            status=StageStatus.DONE,
            attempt=1,
            step=300 if stage.kind is StageKind.TRAIN else 0,
            intended_steps=300 if stage.kind is StageKind.TRAIN else 0,
            started_at=NOW,
            ended_at=NOW + timedelta(seconds=80),
            exit=StageExit(ExitCause.COMPLETED, NOW),
            checkpoint=left[index] if index < len(left) else None,
            results=(BASE, TUNED) if stage.kind is StageKind.EVALUATE else (),
        )
        for index, stage in enumerate(run.all_stages)
    )
    run = replace(
        run,
        stages=stages,
        status=RunStatus.ENDED,
        outcome=Outcome.COMPLETED,
        ended_at=NOW + timedelta(seconds=101),
    )
    lease = lease_id(RUN, 1)
    postings = [ledger.grant(RUN, Money(500_000), NOW, "cap")]
    postings.append(ledger.reserve(postings, RUN, lease, Money(400_000), NOW, "funding"))
    postings += ledger.close_lease(postings, RUN, lease, Money(111_112), NOW)
    window = Window(NOW, 360, Money(400_000), Limit.BUDGET, ALLOWANCES)
    held = Lease(lease, RUN, making.offer(), window, NOW, NOW, NOW + timedelta(seconds=100))
    result = result_of(run)
    assert result is not None
    return replace(CardFacts(run, result, (held,), tuple(postings)), **(more or {}))
