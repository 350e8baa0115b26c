"""Artifacts in folders on this machine's disk."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from orchestrator.adapters.artifacts.attempts import in_order, newest_of_each_stage
from orchestrator.adapters.artifacts.joined_log import FilePart, JoinedLog
from orchestrator.domain.errors import NotFoundError
from orchestrator.domain.ids import RunId, StageId, parse_run_id
from orchestrator.ports.artifacts import Artifact, LogSlice

PIECE_BYTES = 1 << 20


class FolderArtifacts:
    """Reads what lies in `runs/<run-id>/`. A run without a folder has no artifacts and an empty log.

    Only regular files are artifacts. A link counts if what it names lies inside the run's folder, else it is not there.
    """

    def __init__(self, runs: Path) -> None:
        self._runs = runs

    def list(self, run_id: RunId) -> tuple[Artifact, ...]:
        root = self._root(run_id)
        found = (self._artifact(root, path) for path in _files_below(root))
        return tuple(sorted((artifact for artifact in found if artifact is not None), key=lambda one: one.path))

    def read(self, run_id: RunId, path: str) -> Iterator[bytes]:
        """The file in pieces of `PIECE_BYTES`; `NotFoundError` comes with the call, not with the first piece."""
        inside = _inside(self._root(run_id), path)
        if inside is None:
            raise NotFoundError("artifact", path[:200])
        return _pieces(inside, path)

    def open(self, run_id: RunId, path: str) -> BinaryIO:
        root = self._root(run_id)
        inside = _inside(root, path)
        if inside is None or inside != root / path:
            raise NotFoundError("artifact", path[:200])
        return _opened(inside, path)

    def relative(self, run_id: RunId, path: str) -> str | None:
        # The node may have been given the folder by a way that leads through links.
        for root in (self._runs / parse_run_id(run_id), self._root(run_id)):
            place = PurePosixPath(os.path.normpath(path))
            if place != PurePosixPath(root) and place.is_relative_to(root):
                return place.relative_to(root).as_posix()
        return None

    def configs(self, run_id: RunId) -> tuple[tuple[StageId, str], ...]:
        root = self._root(run_id)
        return newest_of_each_stage(self._attempts_files(root, "config.yaml"))

    def log(self, run_id: RunId, offset: int, limit: int) -> LogSlice:
        root = self._root(run_id)
        ours = in_order(self._attempts_files(root, "log.txt"))
        return JoinedLog([FilePart(root / path) for path in ours]).read(offset, limit)

    def _root(self, run_id: RunId) -> Path:
        return (self._runs / parse_run_id(run_id)).resolve()

    @staticmethod
    def _attempts_files(root: Path, name: str) -> Iterator[str]:
        found = (path.relative_to(root).as_posix() for path in root.glob(f"*/attempt-*/{name}"))
        yield from (path for path in found if _inside(root, path) is not None)

    @staticmethod
    def _artifact(root: Path, path: Path) -> Artifact | None:
        inside = _inside(root, path.relative_to(root).as_posix())
        try:
            return None if inside is None else Artifact(path.relative_to(root).as_posix(), inside.stat().st_size)
        except OSError:
            return None  # a checkpoint that was removed while it was listed


def _files_below(root: Path) -> Iterator[Path]:
    """Everything that is no folder; links to folders are not followed."""
    for folder, _, names in os.walk(root):
        for name in names:
            yield Path(folder) / name


def _inside(root: Path, path: str) -> Path | None:
    """The real path of a regular file that `path` names inside `root`, None for anything else."""
    if not path or "\0" in path or path.startswith("/") or ".." in path.split("/"):
        return None
    try:
        real = (root / path).resolve(strict=True)
        regular = stat.S_ISREG(real.stat().st_mode)
    except (OSError, RuntimeError):
        return None
    return real if regular and real.is_relative_to(root) else None


def _opened(real: Path, path: str) -> BinaryIO:
    try:
        # Not followed: whoever put a link there since it was looked at does not lead us out.
        descriptor = os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        raise NotFoundError("artifact", path[:200]) from None
    return os.fdopen(descriptor, "rb")


def _pieces(real: Path, path: str) -> Iterator[bytes]:
    with _opened(real, path) as stream:
        while piece := stream.read(PIECE_BYTES):
            yield piece
