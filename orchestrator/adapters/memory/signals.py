"""Bells that remember who rang: wake-ups to be taken by whoever plays the worker, and notices to be read."""

from __future__ import annotations

import threading

from orchestrator.domain.ids import RunId


class _Bell:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rung: list[RunId] = []

    def ring(self, run_id: RunId) -> None:
        with self._lock:
            self._rung.append(run_id)

    def take(self) -> tuple[RunId, ...]:
        with self._lock:
            rung, self._rung = tuple(self._rung), []
        return rung


class MemoryWakeup:
    """Keeps every wake-up until it is taken."""

    def __init__(self) -> None:
        self._bell = _Bell()
        self._uploads = _Bell()

    def wake(self, run_id: RunId) -> None:
        self._bell.ring(run_id)

    def upload(self, run_id: RunId) -> None:
        self._uploads.ring(run_id)

    def take_uploads(self) -> tuple[RunId, ...]:
        """The publications to look at since the last call, in their order, doubles included."""
        return self._uploads.take()

    def take(self) -> tuple[RunId, ...]:
        """The wake-ups since the last call, in their order, doubles included."""
        return self._bell.take()


class MemoryNotify:
    """Keeps every notice until it is taken."""

    def __init__(self) -> None:
        self._bell = _Bell()

    def changed(self, run_id: RunId) -> None:
        self._bell.ring(run_id)

    def take(self) -> tuple[RunId, ...]:
        """The notices since the last call, in their order, doubles included."""
        return self._bell.take()
