"""The system's clock."""

from __future__ import annotations

from datetime import UTC, datetime


class SystemClock:
    """What time it is, by the machine's clock, in UTC."""

    def now(self) -> datetime:
        return datetime.now(UTC)  # noqa: TID251 - the place that the rule points to
