"""The application, built when it is first needed and not before: a part starts even while its database is away."""

from __future__ import annotations

import threading

from orchestrator.bootstrap import Application, build_application
from orchestrator.settings import Settings


class LazyApplication:
    """Call it for the application. A build that fails raises, and is tried again by the next call."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._turn = threading.Lock()
        self._built: Application | None = None

    def __call__(self) -> Application:
        with self._turn:
            if self._built is None:
                self._built = build_application(self._settings)
            return self._built
