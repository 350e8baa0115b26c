"""Saving a person's wish about a run that ticks may be saving at the same moment."""

from __future__ import annotations

from collections.abc import Callable

from orchestrator.domain.errors import StaleVersionError
from orchestrator.domain.ids import RunId
from orchestrator.domain.run import Run
from orchestrator.ports.store import RunChange, RunRecord, Store

TRIES = 20
"""A run is saved about once a second by its ticks; twenty collisions in a row do not happen by chance."""


def save_latest(store: Store, run_id: RunId, change: Callable[[RunRecord], RunChange | None]) -> Run:
    """Apply `change` to the newest version, again if somebody saved in between; None means nothing to save."""
    for _ in range(TRIES - 1):
        try:
            return _save_once(store, run_id, change)
        except StaleVersionError:
            continue
    return _save_once(store, run_id, change)


def _save_once(store: Store, run_id: RunId, change: Callable[[RunRecord], RunChange | None]) -> Run:
    record = store.load(run_id)
    wanted = change(record)
    return record.run if wanted is None else store.save(wanted)
