"""Observations in the database: kept once, read newest first."""

from __future__ import annotations

from typing import Any

from sqlmodel import Session, col, select

from orchestrator.adapters.db.engine import lock
from orchestrator.adapters.db.rows import legible
from orchestrator.adapters.db.tables import ObservationRow
from orchestrator.domain.cost.calibration import Observation, Quantity
from orchestrator.domain.ids import RunId
from orchestrator.ports.store import StoredObservation

_SAME = ("stage_index", "attempt", "at", "framework", "gpu", "gpu_count", "method", "precision", "predicted",
         "predicted_low", "predicted_high", "actual", "correction")  # fmt: skip
"""Fields that are columns as they are."""


def keep_first(session: Session, observation: Observation) -> None:
    """Add it unless there is one of its run, stage, attempt and quantity."""
    lock(session, f"observations:{observation.run_id}")
    known = select(ObservationRow.seq).where(
        ObservationRow.run_id == observation.run_id,
        ObservationRow.stage_index == observation.stage_index,
        ObservationRow.attempt == observation.attempt,
        ObservationRow.quantity == observation.quantity.value,
    )
    if session.exec(known).first() is None:
        session.add(_row(observation))


def newest(session: Session, limit: int, before: int | None) -> tuple[StoredObservation, ...]:
    """At most `limit`, newest first, with seq < `before` if it is given."""
    seq = col(ObservationRow.seq)
    statement = select(ObservationRow).order_by(seq.desc()).limit(limit)
    if before is not None:
        statement = statement.where(seq < before)
    return tuple(map(_stored, session.exec(statement)))


def _row(observation: Observation) -> ObservationRow:
    same: dict[str, Any] = {name: getattr(observation, name) for name in _SAME}
    return ObservationRow(
        run_id=observation.run_id, quantity=observation.quantity.value, model=legible(observation.model), **same
    )


def _stored(row: ObservationRow) -> StoredObservation:
    assert row.seq is not None, "a stored row has its number"
    same: dict[str, Any] = {name: getattr(row, name) for name in _SAME}
    observation = Observation(run_id=RunId(row.run_id), quantity=Quantity(row.quantity), model=row.model, **same)
    return StoredObservation(row.seq, observation)
