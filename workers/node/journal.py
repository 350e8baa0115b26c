"""`metrics.jsonl`: one JSON object a line, append only; written by the stage, followed by the supervisor."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

from workers.node.clock import Clock


class Journal:
    """Appends events. A full disk loses lines, never the training: no method raises OSError."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._torn = False

    def write(self, event: str, **fields: object) -> None:
        """Append `{"event", "at", **fields}` as one line. Non-finite numbers become null: JSON has no NaN."""
        record = {"event": event, "at": self._clock.wall(), **fields}
        line = json.dumps({name: _finite(value) for name, value in record.items()}).encode() + b"\n"
        # A write that a full disk cut short leaves half a line; the next line must not be glued to it.
        data = b"\n" + line if self._torn else line
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            try:
                written = os.write(descriptor, data)
            finally:
                os.close(descriptor)
        except OSError:
            return
        self._torn = written < len(data)


class JournalReader:
    """Follows a journal from its beginning; whole lines only, and lines that are no event are passed over."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def new_events(self) -> list[dict[str, Any]]:
        """The events appended since the last call, in order."""
        try:
            with self._path.open("rb") as stream:
                stream.seek(self._offset)
                data = stream.read()
        except OSError:
            return []
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        return [event for line in whole.splitlines() if (event := _event(line)) is not None]


def _event(line: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) and "event" in record else None


def _finite(value: object) -> object:
    if isinstance(value, dict):
        return {name: _finite(inner) for name, inner in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
