"""Small JSON files that several processes share: replaced whole, created once, changed under a lock.

Standard library only: the keeper imports it.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from orchestrator.domain.errors import ComputeError
from orchestrator.domain.json_value import JsonValue

LOCK_POLL_SECONDS = 0.01


def read_document(path: Path) -> dict[str, JsonValue] | None:
    """The object in `path`, None when there is no such file; `ComputeError` when it holds anything else."""
    try:
        document = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ComputeError(f"{path.name} cannot be read: {error}") from error
    if not isinstance(document, dict):
        raise ComputeError(f"{path.name} does not hold an object")
    return document


def number(document: Mapping[str, JsonValue], key: str) -> float:
    """The number under `key`; `ComputeError` when there is none."""
    value = document.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ComputeError(f"{key!r} is not a number")
    return float(value)


def replace_document(path: Path, document: Mapping[str, JsonValue]) -> None:
    """Put `document` in the place of whatever `path` held; a reader sees the old or the new, never a part."""
    _written_beside(path, document).replace(path)


def create_document(path: Path, document: Mapping[str, JsonValue]) -> bool:
    """Write `document` unless `path` exists; returns whether it was this call that wrote it."""
    written = _written_beside(path, document)
    try:
        # A link, unlike O_EXCL, appears with its contents: no reader ever sees an empty file.
        os.link(written, path)
    except FileExistsError:
        return False
    finally:
        written.unlink()
    return True


def _written_beside(path: Path, document: Mapping[str, JsonValue]) -> Path:
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(json.dumps(document) + "\n")
        stream.flush()
        os.fsync(stream.fileno())
    return Path(name)


@contextlib.contextmanager
def locked(path: Path, patience_seconds: float = 10.0) -> Iterator[None]:
    """Hold the lock file `path`; `ComputeError` after `patience_seconds` of waiting for another holder.

    The kernel lets go of it when the holder dies, and it holds between threads as well as between processes.
    """
    give_up_at = time.monotonic() + patience_seconds
    with path.open("ab") as stream:
        while not _acquired(stream.fileno()):
            if time.monotonic() >= give_up_at:
                raise ComputeError(f"{path.parent.name} is busy")
            time.sleep(LOCK_POLL_SECONDS)
        yield


def _acquired(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
