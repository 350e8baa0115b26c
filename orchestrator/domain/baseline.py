"""The baseline that a run is compared with: plain LoRA, on the same model, measured on the same held-out rows."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from orchestrator.domain.ids import RunId
from orchestrator.domain.json_value import JsonValue
from orchestrator.domain.lifecycle import Outcome, RunStatus
from orchestrator.domain.measured import TUNED, Results, results_of
from orchestrator.domain.run import Run, RunSpec

BASELINE_STRATEGY = "lora"


@dataclass(frozen=True, slots=True)
class Baseline:
    """A completed run of the baseline strategy, with what was measured on it."""

    run_id: RunId
    results: Results


def comparison_key(spec: RunSpec) -> str:
    """The same for two runs exactly when their figures may stand side by side.

    They then start from the same model, read the same dataset and are measured on the same rows, cut at the same
    length. Rows from a held-out source of its own are the same whatever the seed. Rows split from the dataset are
    drawn by the seed: only the same seed, of the same number of rows, keeps the same ones out, and a run must never be
    measured beside one that has trained on its held-out rows.
    """
    dataset = spec.dataset
    kept_out: list[JsonValue] = (
        ["source", dataset.heldout_source, dataset.heldout_format]
        if dataset.heldout_source is not None
        else ["split", dataset.heldout_rows, dataset.rows, spec.seed]
    )
    length = spec.trainings[-1].recipe.get("sequence_len") if spec.trainings else None
    whole = json.dumps([spec.model, dataset.source, kept_out, length])
    return hashlib.sha256(whole.encode()).hexdigest()


def offered_key(run: Run) -> str | None:
    """The comparison that `run` is a baseline for, None unless it completed as one and was measured."""
    completed = run.status is RunStatus.ENDED and run.outcome is Outcome.COMPLETED
    if run.spec.strategy != BASELINE_STRATEGY or not completed:
        return None
    measured = any(each.get("subject") == TUNED for each in results_of(run))
    return comparison_key(run.spec) if measured else None


def wanted_key(run: Run) -> str | None:
    """The comparison that `run` wants a baseline for; None for a run of the baseline strategy, which is one itself."""
    return None if run.spec.strategy == BASELINE_STRATEGY else comparison_key(run.spec)
