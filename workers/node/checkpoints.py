"""Checkpoints and their completeness: a folder counts only once its marker, written last, is in it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

MARKER = "latticeforge_checkpoint.json"
_PREFIX = "checkpoint-"


def checkpoint_dir(output_dir: Path, step: int) -> Path:
    """Where the trainer keeps the checkpoint of `step`."""
    return output_dir / f"{_PREFIX}{step}"


def newest_complete(output_dir: Path) -> Path | None:
    """The complete checkpoint of the highest step, or None."""
    complete = [path for path in _checkpoints(output_dir) if (path / MARKER).is_file()]
    return complete[-1] if complete else None


def write_marker(checkpoint: Path, facts: Mapping[str, object]) -> None:
    """Declare `checkpoint` complete. Raises OSError when the marker cannot be written; then it is not complete."""
    write_atomically(checkpoint / MARKER, facts)


def read_marker(checkpoint: Path) -> dict[str, Any]:
    """The facts written with the marker; empty when there is none that can be read."""
    return read_object(checkpoint / MARKER)


def prune(output_dir: Path, keep: int) -> None:
    """Keep the newest `keep` complete checkpoints (at least one) and anything newer than the newest complete one.

    The trainer's own rotation counts folders, complete or not, and deletes before the new one is known to be complete.
    """
    newest = newest_complete(output_dir)
    if newest is None:
        return
    complete = [path for path in _checkpoints(output_dir) if (path / MARKER).is_file()]
    kept = set(complete[-max(keep, 1) :])
    for path in _checkpoints(output_dir):
        if path not in kept and step_of(path) < step_of(newest):
            shutil.rmtree(path, ignore_errors=True)


def forget(output_dir: Path) -> None:
    """Make every present checkpoint incomplete: a fresh start must not end with an older attempt's result."""
    for path in _checkpoints(output_dir):
        (path / MARKER).unlink(missing_ok=True)


def remove(checkpoint: Path) -> None:
    """Delete a checkpoint, its marker first; one that is not there is no error."""
    (checkpoint / MARKER).unlink(missing_ok=True)
    shutil.rmtree(checkpoint, ignore_errors=True)


def step_of(checkpoint: Path) -> int:
    """The step that a checkpoint's folder is named after."""
    return int(checkpoint.name[len(_PREFIX) :])


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file; empty when there is none that can be read."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def write_atomically(path: Path, document: Mapping[str, object]) -> None:
    """Write JSON so that a reader sees the old file or the whole new one, also after a power cut."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("w", encoding="utf-8") as stream:
        json.dump(document, stream)
        stream.write("\n")
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path)


def _checkpoints(output_dir: Path) -> list[Path]:
    """Checkpoint folders in order of their steps."""
    folders = (path for path in output_dir.glob(f"{_PREFIX}*") if path.is_dir())
    return sorted((path for path in folders if path.name[len(_PREFIX) :].isdigit()), key=step_of)
