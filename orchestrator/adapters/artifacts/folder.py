"""Artifacts in folders on this machine's disk."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from orchestrator.adapters.artifacts.joined_log import JoinedLog
from orchestrator.domain.errors import NotFoundError
from orchestrator.domain.ids import RunId, StageId, parse_run_id
from orchestrator.ports.artifacts import Artifact, LogSlice

PIECE_BYTES = 1 << 20
_ATTEMPT = re.compile(r"attempt-(\d+)")


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
        found = [(_place(path), path) for path in root.glob("*/attempt-*/config.yaml") if _is_inside(root, path)]
        placed = sorted((place, path) for place, path in found if place is not None)
        newest = {place[0]: path for place, path in placed}
        return tuple((StageId(stage), path.relative_to(root).as_posix()) for stage, path in newest.items())

    def log(self, run_id: RunId, offset: int, limit: int) -> LogSlice:
        root = self._root(run_id)
        logs = [(_place(path), path) for path in root.glob("*/attempt-*/log.txt")]
        ours = sorted((place, path) for place, path in logs if place is not None and _is_inside(root, path))
        return JoinedLog([path for _, path in ours]).read(offset, limit)

    def _root(self, run_id: RunId) -> Path:
        return (self._runs / parse_run_id(run_id)).resolve()

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


def _is_inside(root: Path, path: Path) -> bool:
    return _inside(root, path.relative_to(root).as_posix()) is not None


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


def _place(file: Path) -> tuple[str, int] | None:
    """Which stage and attempt a file of a job belongs to: stages are named in their order, attempts are numbered."""
    attempt = _ATTEMPT.fullmatch(file.parent.name)
    return None if attempt is None else (file.parents[1].name, int(attempt[1]))
