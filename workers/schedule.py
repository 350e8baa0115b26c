"""Beat's scheduler: keeps its entries in memory, and shows by each turn of its loop that it lives.

Nothing is remembered across a restart on purpose: a sweep that was missed is not made up for, it is simply next.
"""

from __future__ import annotations

from typing import Any

from celery.beat import Scheduler

from workers.app import application
from workers.signs import SignOfLife


class LivelyScheduler(Scheduler):  # type: ignore[misc] # Celery comes without types
    """A turn that hangs in a send to the broker shows nothing, which is the truth about it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._alive = SignOfLife("beat", application)
        super().__init__(*args, **kwargs)

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """One turn; returns the seconds until the next."""
        wait: float = super().tick(*args, **kwargs)
        self._alive.show()
        return wait
