"""Artifacts in a store that the machines bring their files to."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from typing import BinaryIO, cast

from orchestrator.adapters.artifacts.attempts import in_order, newest_of_each_stage
from orchestrator.adapters.artifacts.bucket import Bucket
from orchestrator.adapters.artifacts.checked_stream import PIECE_BYTES as BUFFER_BYTES
from orchestrator.adapters.artifacts.checked_stream import CheckedStream
from orchestrator.adapters.artifacts.complete import CompleteFile, complete_files, manifest_paths
from orchestrator.adapters.artifacts.joined_log import JoinedLog
from orchestrator.domain.errors import NotFoundError
from orchestrator.domain.ids import RunId, StageId, parse_run_id
from orchestrator.ports.artifacts import Artifact, LogSlice

PIECE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class StoredPart:
    """A log in the store."""

    bucket: Bucket
    path: str
    length: int

    def size(self) -> int:
        return self.length

    def read(self, start: int, count: int) -> bytes:
        return self.bucket.piece(self.path, start, start + count)


class StoreArtifacts:
    """Reads what lies at `<url>/<run-id>/`, which is laid out as a run's folder is on a machine.

    A folder that is not complete, because it is still coming or its uploader died, is not there. A run's log and
    configurations are there once its attempt has ended.
    """

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    def list(self, run_id: RunId) -> tuple[Artifact, ...]:
        return tuple(Artifact(path, file.size) for path, file in sorted(self._complete(run_id).items()))

    def read(self, run_id: RunId, path: str) -> Iterator[bytes]:
        """The file in pieces of `PIECE_BYTES`; the last one comes when the checksum of the whole is right."""
        return _pieces(self._stream(run_id, path))

    def open(self, run_id: RunId, path: str) -> BinaryIO:
        return cast(BinaryIO, io.BufferedReader(self._stream(run_id, path), BUFFER_BYTES))

    def relative(self, run_id: RunId, path: str) -> str | None:
        # The machine's own folder has any place; the run's name in it is what both have in common.
        parts = PurePosixPath(os.path.normpath(path)).parts
        names = parts[parts.index(run_id) + 1 :] if path.startswith("/") and run_id in parts else ()
        return "/".join(names) or None

    def configs(self, run_id: RunId) -> tuple[tuple[StageId, str], ...]:
        return newest_of_each_stage(path for path in self._complete(run_id) if path.endswith("/config.yaml"))

    def log(self, run_id: RunId, offset: int, limit: int) -> LogSlice:
        complete = self._complete(run_id)
        logs = in_order(path for path in complete if path.endswith("/log.txt"))
        parts = [StoredPart(self._bucket, f"{run_id}/{path}", complete[path].size) for path in logs]
        return JoinedLog(parts).read(offset, limit)

    def _complete(self, run_id: RunId) -> dict[str, CompleteFile]:
        prefix = parse_run_id(run_id)
        sizes = self._bucket.sizes(prefix)
        manifests = self._bucket.contents([f"{prefix}/{path}" for path in manifest_paths(sizes)])
        return complete_files(sizes, {path.removeprefix(f"{prefix}/"): data for path, data in manifests.items()})

    def _stream(self, run_id: RunId, path: str) -> CheckedStream:
        file = self._complete(run_id).get(path)
        if file is None:
            raise NotFoundError("artifact", path[:200])
        return CheckedStream(path, file, partial(self._bucket.piece, f"{run_id}/{path}"))


def _pieces(stream: CheckedStream) -> Iterator[bytes]:
    while piece := stream.read(PIECE_BYTES):
        yield piece
