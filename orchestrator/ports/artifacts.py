"""The artifacts port: the files that a run leaves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from orchestrator.domain.ids import RunId, StageId


@dataclass(frozen=True, slots=True)
class Artifact:
    """One file of a run: its path relative to the run's folder, with `/`, its size in bytes, and whether it is needed
    to use the run's result (which the port does not know, and leaves False)."""

    path: str
    size: int
    is_result: bool = False


@dataclass(frozen=True, slots=True)
class LogSlice:
    """Bytes of a log from `offset`, decoded with replacement; `next_offset` is where to go on."""

    text: str
    next_offset: int


class Artifacts(Protocol):
    """Promises: a path never leaves the run's folder (`NotFoundError` for `..`, absolute paths, links out of it).

    Where the files lie in a store, any call but `relative` may raise `ArtifactStoreError`, and only what was uploaded
    as a whole is there; a file whose checksum differs raises it before the last of its bytes is given.

    - `list` is sorted by path; `read` streams in bounded pieces.
    - `open` gives a file to be read from any place, and `NotFoundError` for every link, wherever it leads.
    - `relative` is the path of a file or folder that the node names, whether it exists or not; None for one outside.
    - `configs` are the resolved configurations of the newest attempt at each stage that has one, as (stage, path), in
      the order of the stages.
    - `log` joins the run's job logs in the order of the stages and attempts; a negative offset counts from the end.
    """

    def list(self, run_id: RunId) -> tuple[Artifact, ...]: ...

    def read(self, run_id: RunId, path: str) -> Iterator[bytes]: ...

    def open(self, run_id: RunId, path: str) -> BinaryIO: ...

    def relative(self, run_id: RunId, path: str) -> str | None: ...

    def configs(self, run_id: RunId) -> tuple[tuple[StageId, str], ...]: ...

    def log(self, run_id: RunId, offset: int, limit: int) -> LogSlice: ...
