"""A clock that stands still until it is moved."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

START = datetime(2026, 1, 1, tzinfo=UTC)


class ManualClock:
    """Shows `start` until somebody moves it. It never runs backwards: `ValueError` for an attempt."""

    def __init__(self, start: datetime = START) -> None:
        if start.tzinfo is None:
            raise ValueError("a clock shows a time with a zone")
        self._now = start.astimezone(UTC)

    def now(self) -> datetime:
        return self._now

    def advance(self, seconds: float) -> datetime:
        """Move on by `seconds`; returns the new time."""
        return self.move_to(self._now + timedelta(seconds=seconds))

    def move_to(self, moment: datetime) -> datetime:
        """Move on to `moment`; returns it in UTC."""
        if moment < self._now:
            raise ValueError(f"time does not run backwards: {moment.isoformat()} is before {self._now.isoformat()}")
        self._now = moment.astimezone(UTC)
        return self._now
