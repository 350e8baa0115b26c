"""Looking at processes."""

from __future__ import annotations

import contextlib
import time

import psutil


def is_gone(pid: int, patience_seconds: float = 5.0) -> bool:
    """Whether the process ends (a zombie has) within the time."""
    give_up_at = time.monotonic() + patience_seconds
    while time.monotonic() < give_up_at:
        with contextlib.suppress(psutil.NoSuchProcess):
            if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                time.sleep(0.02)
                continue
        return True
    return False
