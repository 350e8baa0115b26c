"""Artifacts that lie on this machine, in the store, or in both."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import BinaryIO

from orchestrator.adapters.artifacts.attempts import newest_of_each_stage
from orchestrator.domain.errors import ArtifactStoreError, NotFoundError
from orchestrator.domain.ids import RunId, StageId
from orchestrator.ports.artifacts import Artifact, Artifacts, LogSlice

log = logging.getLogger(__name__)


class LayeredArtifacts:
    """What is in both is read from `here`: it may still grow. A run that has files here is shown, with those alone,
    also while the store does not answer."""

    def __init__(self, here: Artifacts, stored: Artifacts) -> None:
        self._here = here
        self._stored = stored

    def list(self, run_id: RunId) -> tuple[Artifact, ...]:
        found = {artifact.path: artifact for artifact in self._here.list(run_id)}
        try:
            stored = self._stored.list(run_id)
        except ArtifactStoreError:
            if not found:
                raise
            log.warning("only the files of %s on this machine are shown", run_id, exc_info=True)
            stored = ()
        merged = {artifact.path: artifact for artifact in stored} | found
        return tuple(artifact for _, artifact in sorted(merged.items()))

    def read(self, run_id: RunId, path: str) -> Iterator[bytes]:
        try:
            return self._here.read(run_id, path)
        except NotFoundError:
            return self._stored.read(run_id, path)

    def open(self, run_id: RunId, path: str) -> BinaryIO:
        try:
            return self._here.open(run_id, path)
        except NotFoundError:
            return self._stored.open(run_id, path)

    def relative(self, run_id: RunId, path: str) -> str | None:
        found = self._here.relative(run_id, path)
        return self._stored.relative(run_id, path) if found is None else found

    def configs(self, run_id: RunId) -> tuple[tuple[StageId, str], ...]:
        both = (*self._stored.configs(run_id), *self._here.configs(run_id))
        return newest_of_each_stage(path for _, path in both)

    def log(self, run_id: RunId, offset: int, limit: int) -> LogSlice:
        here = self._here.log(run_id, offset, limit)
        # Nothing before the offset and nothing after it: this machine never had a log of the run.
        is_here = bool(here.text) or self._here.log(run_id, -1, 1).next_offset > 0
        return here if is_here else self._stored.log(run_id, offset, limit)
