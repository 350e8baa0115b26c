"""Signs of life: each part writes its own into the store, and only by doing the work that it is there for."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from orchestrator.bootstrap import Application

log = logging.getLogger(__name__)

EVERY_SECONDS = 3.0


class SignOfLife:
    """Writes the sign of `part` at most every `EVERY_SECONDS`. Never raises: a part must survive the database."""

    def __init__(self, part: str, application: Callable[[], Application]) -> None:
        self._part = part
        self._application = application
        self._turn = threading.Lock()
        self._shown_at: float | None = None

    def show(self) -> None:
        if not self._turn.acquire(blocking=False):
            return
        try:
            application = self._application()
            now = application.clock.now()
            if self._shown_at is None or abs(now.timestamp() - self._shown_at) >= EVERY_SECONDS:
                application.store.beat(self._part, now)
                self._shown_at = now.timestamp()
        except Exception:  # whatever the database's driver raises, the part goes on
            log.warning("%s could not show its sign of life", self._part, exc_info=True)
        finally:
            self._turn.release()
