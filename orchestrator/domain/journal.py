"""The journal: everything that happened to a run, in order. Live views and the metric series are read from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from orchestrator.domain.ids import RunId, StageId
from orchestrator.domain.json_value import JsonValue


class EntryKind(StrEnum):
    """What an entry tells. The names are also the SSE event names."""

    STATUS = "status"
    """data: status, event, reason."""
    PLAN = "plan"
    """data: planned_steps, intended_steps, seconds_per_step, why."""
    STAGE = "stage"
    """data: stage, status, attempt, cause, message."""
    METRIC = "metric"
    """data: one metrics line of the node, see docs/node-contract.md."""
    LEDGER = "ledger"
    """data: kind, amount, lease."""
    NOTE = "note"
    """data: message."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened. `key` is unique within the run: an entry written twice is kept once."""

    run_id: RunId
    kind: EntryKind
    at: datetime
    key: str
    data: Mapping[str, JsonValue]
    stage_id: StageId | None = None


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """An entry with its place in the journal; `seq` only grows."""

    seq: int
    entry: Entry
