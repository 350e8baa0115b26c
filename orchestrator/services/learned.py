"""What all stages so far have taught: the corrections in force, and how good the predictions were."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from orchestrator.domain.cost.calibration import (
    Accuracy,
    Observation,
    Quantity,
    accuracy,
    corrections_in_force,
    summary,
)
from orchestrator.domain.cost.coefficients import CellKey, Correction
from orchestrator.ports.clock import Clock
from orchestrator.ports.store import Store, StoredObservation

MOST_OBSERVATIONS = 2000
"""The newest so many are learned from: older ones speak of drivers and libraries of long ago."""
REFRESH = timedelta(seconds=3)
NEW_AT_ONCE = 20
"""Stages that may end between two looks before everything is read anew."""
CORRECTED = (Quantity.SECONDS_PER_STEP, Quantity.PEAK_MEMORY)
"""Quantities whose model is corrected; the others are only watched."""


@dataclass(frozen=True, slots=True)
class InForce:
    """The corrections of seconds a step and of peak memory, of one moment; `version` grows with every stage that is
    learned from."""

    version: int
    speed: Mapping[CellKey, Correction]
    memory: Mapping[CellKey, Correction]


@dataclass(frozen=True, slots=True)
class CellReading:
    """One quantity of one cell: how good its predictions were as they were said, and the correction that is in force
    for the next, None for a quantity that is not corrected."""

    quantity: Quantity
    cell: CellKey
    accuracy: Accuracy
    correction: Correction | None


@dataclass(frozen=True, slots=True)
class CalibrationReading:
    """`cells` and `overall` (None without any) rest on the newest `MOST_OBSERVATIONS`; `observations` are one page of
    all, newest first, and `next_before` asks for the next page."""

    cells: tuple[CellReading, ...]
    overall: Accuracy | None
    observations: tuple[StoredObservation, ...]
    next_before: int | None


@dataclass(frozen=True, slots=True)
class _Snapshot:
    read_at: datetime
    newest: int
    observations: tuple[Observation, ...]
    """The newest first."""
    corrections: Mapping[Quantity, Mapping[CellKey, Correction]]


class Learned:
    """Looks into the store at most once in `REFRESH`, and then only for what is new. To be asked outside of
    transactions, by any number of threads."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._snapshot: _Snapshot | None = None

    def corrections(self, quantity: Quantity = Quantity.SECONDS_PER_STEP) -> Mapping[CellKey, Correction]:
        """The correction of every cell that stages have spoken of; empty for a quantity that is not `CORRECTED`."""
        return self._fresh().corrections.get(quantity, {})

    def in_force(self) -> InForce:
        """Both at once, so that they belong together."""
        snapshot = self._fresh()
        speed, memory = (snapshot.corrections[each] for each in CORRECTED)
        return InForce(snapshot.newest, speed, memory)

    def page(self, limit: int, before: int | None = None) -> CalibrationReading:
        """What was predicted and what came of it, with what follows from it."""
        snapshot = self._fresh(timedelta(0))
        found = self._store.observations(limit + 1, before)
        shown = found[:limit]
        cells = tuple(
            CellReading(quantity, cell, each, snapshot.corrections.get(quantity, {}).get(cell))
            for (quantity, cell), each in summary(snapshot.observations).items()
        )
        overall = accuracy(snapshot.observations) if snapshot.observations else None
        return CalibrationReading(cells, overall, shown, shown[-1].seq if len(found) > limit else None)

    def _fresh(self, age: timedelta = REFRESH) -> _Snapshot:
        """What is known, not older than `age`."""
        now, held = self._clock.now(), self._snapshot
        if held is not None and timedelta(0) <= now - held.read_at < age:
            return held
        snapshot = self._first(now) if held is None else self._later(held, now)
        # One assignment: a thread that looks meanwhile sees the old one or the new one, never half of each.
        self._snapshot = snapshot
        return snapshot

    def _first(self, now: datetime) -> _Snapshot:
        found = self._store.observations(MOST_OBSERVATIONS)
        return _taken(now, found[0].seq if found else 0, tuple(stored.observation for stored in found))

    def _later(self, held: _Snapshot, now: datetime) -> _Snapshot:
        found = self._store.observations(NEW_AT_ONCE)
        new = [stored.observation for stored in found if stored.seq > held.newest]
        if not new:
            return replace(held, read_at=now)
        if len(new) == NEW_AT_ONCE:
            return self._first(now)
        return _taken(now, found[0].seq, (*new, *held.observations)[:MOST_OBSERVATIONS])


def _taken(now: datetime, newest: int, observations: tuple[Observation, ...]) -> _Snapshot:
    return _Snapshot(now, newest, observations, {each: corrections_in_force(observations, each) for each in CORRECTED})
