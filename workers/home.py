"""The service's folder: private to its user, held by one service at a time, and where clients find its address."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

LOCK = "up.lock"
SERVICE = "service.json"


class AlreadyRunningError(Exception):
    """Another service holds this home."""


@contextlib.contextmanager
def held(home: Path) -> Iterator[None]:
    """Hold `home`, made if missing (0700). `AlreadyRunningError` names who holds it.

    The kernel lets go of the lock when the process ends, however that comes about.
    """
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    (home / "logs").mkdir(exist_ok=True)
    descriptor = os.open(home / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunningError(_who(home)) from None
        yield
    finally:
        os.close(descriptor)


def _who(home: Path) -> str:
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        service = json.loads((home / SERVICE).read_text(encoding="utf-8"))
        return f"a service runs on {home} already: process {service['pid']}, {service['url']}"
    return f"a service runs on {home} already"


def announce(home: Path, url: str, started_at: datetime) -> None:
    """Write where the service answers, whole or not at all."""
    text = json.dumps({"url": url, "pid": os.getpid(), "started_at": started_at.isoformat()})
    draft = home / f"{SERVICE}.new"
    draft.write_text(text + "\n", encoding="utf-8")
    draft.replace(home / SERVICE)


def withdraw(home: Path) -> None:
    """Take the address back."""
    (home / SERVICE).unlink(missing_ok=True)
