"""The artifacts port: the files that a run leaves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from orchestrator.domain.ids import RunId


@dataclass(frozen=True, slots=True)
class Artifact:
    """One file of a run: its path relative to the run's folder, with `/`, and its size in bytes."""

    path: str
    size: int


@dataclass(frozen=True, slots=True)
class LogSlice:
    """Bytes of a log from `offset`, decoded with replacement; `next_offset` is where to go on."""

    text: str
    next_offset: int


class Artifacts(Protocol):
    """Promises: a path never leaves the run's folder (`NotFoundError` for `..`, absolute paths, links out of it);
    listing is sorted by path; `read` streams in bounded pieces; `log` joins the run's job logs in the order of the
    stages and attempts, and a negative offset counts from the end."""

    def list(self, run_id: RunId) -> tuple[Artifact, ...]: ...

    def read(self, run_id: RunId, path: str) -> Iterator[bytes]: ...

    def log(self, run_id: RunId, offset: int, limit: int) -> LogSlice: ...
