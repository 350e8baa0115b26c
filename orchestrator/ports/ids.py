"""New identifiers."""

from __future__ import annotations

from typing import Protocol

from orchestrator.domain.ids import RunId


class Ids(Protocol):
    """Promises: never the same id twice; each has the form that `parse_run_id` accepts."""

    def new_run_id(self) -> RunId: ...
