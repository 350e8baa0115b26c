"""What happened to a run: its events and its metric series."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from api.schemas.view import FreeJson, Timestamp, View, finite
from orchestrator.domain.journal import EntryKind, StoredEntry
from orchestrator.domain.lifecycle import Outcome, RunStatus


class EventView(View):
    """The `data` of one server-sent event; its `id` is the same `seq`, its `event` the same `kind`."""

    seq: int
    kind: EntryKind
    at: Timestamp
    stage: str | None
    data: FreeJson

    @classmethod
    def of(cls, stored: StoredEntry) -> EventView:
        entry = stored.entry
        return cls(seq=stored.seq, kind=entry.kind, at=entry.at, stage=entry.stage_id, data=_plain(stored))


class EndView(View):
    """The `data` of the last event, named `end`: the run has ended and everything about it was sent."""

    status: RunStatus
    outcome: Outcome | None
    reason: str


class MetricView(View):
    """One line that the node reported. For `step`: step, max_steps, loss, learning_rate, tokens_per_second and more."""

    seq: int
    at: Timestamp
    stage: str | None
    event: str
    run_step: int | None = Field(
        None, description="Of a `step`: how many the run has taken with it, over all trainings; null for other events."
    )
    data: FreeJson

    @classmethod
    def of(cls, stored: StoredEntry, steps_before: int = 0) -> MetricView:
        """`steps_before` are those of the trainings before the line's own."""
        data = _plain(stored)
        event, step = str(data.pop("event", "")), data.get("step")
        data.pop("at", None)
        return cls(
            seq=stored.seq,
            at=stored.entry.at,
            stage=stored.entry.stage_id,
            event=event,
            run_step=steps_before + step if event == "step" and isinstance(step, int) else None,
            data=data,
        )


class MetricSeries(View):
    metrics: list[MetricView]
    next: int = Field(description="Send it as `after` for what comes later.")
    more: bool = Field(description="Whether there is something after `next` already.")


def _plain(stored: StoredEntry) -> dict[str, Any]:
    plain = finite(dict(stored.entry.data))
    assert isinstance(plain, dict), "an entry's data is a mapping"
    return plain
