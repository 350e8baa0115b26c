"""Which parts live: asked of those that answer, read from the store for those that leave signs there.

Runs in a thread of its own, so that a database that hangs cannot keep the supervisor from its children.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

Ask = Callable[[], object]
T = TypeVar("T")

EVERY_SECONDS = 2.0
RECENT_SECONDS = 10.0
"""A sign this young says that a part works now; parts write one every few seconds."""


class Vitals:
    """`asks` raise when their part does not answer; `signs` reads a value by part that changes with every sign.

    `needs` names the parts without which a part can show nothing: while one of those is not heard of, nothing is held
    against it. The same when the signs cannot be read. Silence is measured on the monotonic clock from the moment a
    sign was seen to change, so neither a jump of the wall clock nor a suspended machine looks like a death.
    """

    def __init__(
        self,
        asks: Mapping[str, Ask],
        signs: Callable[[], Mapping[str, object]],
        signing: Sequence[str],
        needs: Mapping[str, Sequence[str]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._asks = asks
        self._signs = signs
        self._needs = needs
        self._clock = clock
        self._last_sign: dict[str, object] = {}
        self._seen = dict.fromkeys((*asks, *signing), clock())
        self._signing = tuple(signing)
        self._stop = threading.Event()

    def silence(self) -> dict[str, float]:
        """Seconds since each part was last known to live."""
        now = self._clock()
        return {name: now - seen for name, seen in self._seen.items()}

    def look(self) -> None:
        """One look at every part. Never raises."""
        for name, ask in self._asks.items():
            if _attempt(ask) is not None:
                self._seen[name] = self._clock()
        signs = _attempt(self._signs)
        for name in self._signing:
            if signs is None or signs.get(name) != self._last_sign.get(name):
                self._seen[name] = self._clock()
        self._last_sign.update(signs or {})
        self._excuse()

    def _excuse(self) -> None:
        now = self._clock()
        for name, needed in self._needs.items():
            if any(now - self._seen[each] > RECENT_SECONDS for each in needed):
                self._seen[name] = now

    def start(self) -> None:
        """Look again and again, in the background, until `stop`."""
        threading.Thread(target=self._loop, name="vitals", daemon=True).start()

    def stop(self) -> None:
        self._stop.set()

    def _loop(self) -> None:
        while not self._stop.wait(EVERY_SECONDS):
            self.look()


def _attempt(look: Callable[[], T]) -> T | None:
    """What `look` returns, None when it raises: whatever the reason, nothing was seen."""
    try:
        return look()
    except Exception:  # noqa: BLE001 - drivers and clients raise all kinds of errors; each means "nothing seen"
        return None
