"""What time it is."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Promises: `now()` is timezone-aware UTC."""

    def now(self) -> datetime: ...
