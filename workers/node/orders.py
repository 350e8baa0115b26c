"""The orders in force right now: the job's deadlines, as `control.json` moves them, and a request to stop."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from workers.node.clock import Clock, Deadline
from workers.node.job import CONTROL_FILE, Job

REREAD_SECONDS = 0.25


class Orders:
    """Follows `control.json`. An absent, torn or senseless file changes nothing: the last good orders stand."""

    def __init__(self, job: Job, clock: Clock) -> None:
        self._path = job.job_dir / CONTROL_FILE
        self._clock = clock
        self._soft = Deadline.armed(job.soft_deadline, clock)
        self._hard = Deadline.armed(job.hard_deadline, clock)
        self._stop_seen_at: float | None = None
        self._read_at = -math.inf
        self.moves = 0
        """How often the deadlines have moved since the start."""
        self.refresh()

    def refresh(self) -> None:
        """Read the control file again, at most once in REREAD_SECONDS."""
        now = self._clock.monotonic()
        if now - self._read_at < REREAD_SECONDS:
            return
        self._read_at = now
        document = _read_object(self._path)
        if document.get("stop") is True and self._stop_seen_at is None:
            self._stop_seen_at = now
        soft = self._moved(self._soft, document.get("soft_deadline"))
        hard = self._moved(self._hard, document.get("hard_deadline"))
        # Re-armed only when the number changes: re-arming on every read would follow a clock that steps back.
        if soft is not self._soft or hard is not self._hard:
            self._soft, self._hard = soft, hard
            self.moves += 1

    @property
    def soft_left(self) -> float:
        """Seconds until the soft deadline; negative once it has passed."""
        return self._soft.left(self._clock)

    @property
    def hard_left(self) -> float:
        """Seconds until the hard deadline; negative once it has passed."""
        return self._hard.left(self._clock)

    @property
    def stop_requested(self) -> bool:
        """Whether the control plane has asked to stop."""
        return self._stop_seen_at is not None

    @property
    def stop_age(self) -> float:
        """Seconds since the stop request was first seen; 0 when there is none."""
        return 0.0 if self._stop_seen_at is None else self._clock.monotonic() - self._stop_seen_at

    def _moved(self, deadline: Deadline, at: object) -> Deadline:
        if isinstance(at, bool) or not isinstance(at, int | float) or not math.isfinite(at) or at == deadline.at:
            return deadline
        return Deadline.armed(float(at), self._clock)


def _read_object(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}
