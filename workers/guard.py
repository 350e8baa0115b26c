"""The budget guard: `python -m workers.guard`. Ends leases before they overspend.

The kill path. It needs the database and the compute backend and nothing else: no broker, no worker, no API. Whatever
goes wrong in one round is logged, and the next round tries again.
"""

from __future__ import annotations

import logging
import signal
import sys
import time
from collections.abc import Callable
from types import FrameType

from orchestrator.bootstrap import Application
from orchestrator.settings import Settings
from workers.lazy import LazyApplication
from workers.signs import SignOfLife

log = logging.getLogger(__name__)


PAUSE_SLICE_SECONDS = 0.2


class Stop:
    """Set by a signal. A plain flag: a handler that takes a lock can wait for the very thread that it interrupted."""

    def __init__(self) -> None:
        self.asked = False

    def listen(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask)

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        self.asked = True

    def pause(self, seconds: float) -> None:
        """Sleep, but not for long once asked to stop."""
        wake_at = time.monotonic() + seconds
        while not self.asked and (left := wake_at - time.monotonic()) > 0:
            time.sleep(min(left, PAUSE_SLICE_SECONDS))


def watch(application: Callable[[], Application], tick_seconds: float, stop: Stop) -> None:
    """Rounds of the guard, `tick_seconds` apart, until `stop` is asked for."""
    alive = SignOfLife("guard", application)
    while not stop.asked:
        try:
            for lease, verdict in application().guard.execute().items():
                log.info("%s: %s", lease, verdict)
            alive.show()
        except Exception:  # nothing may end the process that ends the spending
            log.exception("a round of the guard failed; the next is in %s s", tick_seconds)
        stop.pause(tick_seconds)


def main() -> int:
    """Runs until SIGTERM or SIGINT. Exit code 0."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    stop = Stop()
    stop.listen()
    settings = Settings()
    watch(LazyApplication(settings), settings.tick_seconds, stop)
    return 0


if __name__ == "__main__":
    sys.exit(main())
