"""Which stage and attempt a file of a job belongs to, by its path."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

from orchestrator.domain.ids import StageId

_ATTEMPT = re.compile(r"attempt-(\d+)")


def place_of(path: str) -> tuple[str, int] | None:
    """(stage, attempt) of `<stage>/attempt-<n>/<file>`; None for any other path. Stages are named in their order."""
    parts = PurePosixPath(path).parts
    attempt = _ATTEMPT.fullmatch(parts[1]) if len(parts) == 3 else None
    return None if attempt is None else (parts[0], int(attempt[1]))


def in_order(paths: Iterable[str]) -> list[str]:
    """Those of `paths` that belong to an attempt, in the order of the stages and attempts."""
    placed = ((place_of(path), path) for path in paths)
    return [path for _, path in sorted((place, path) for place, path in placed if place is not None)]


def newest_of_each_stage(paths: Iterable[str]) -> tuple[tuple[StageId, str], ...]:
    """For each stage the path of its last attempt, in the order of the stages."""
    newest = {StageId(path.split("/", 1)[0]): path for path in in_order(paths)}
    return tuple(newest.items())
