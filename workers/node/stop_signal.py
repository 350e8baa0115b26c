"""SIGTERM as a flag: armed before the heavy imports, read at the end of each step."""

from __future__ import annotations

import signal
from types import FrameType

_received = False


def arm() -> None:
    """From now on SIGTERM is remembered instead of fatal. Main thread only."""
    signal.signal(signal.SIGTERM, _remember)


def received() -> bool:
    """Whether SIGTERM has come since `arm`."""
    return _received


def _remember(_number: int, _frame: FrameType | None) -> None:
    global _received
    _received = True
