"""One part of the service: a child process that dies with its supervisor, logs to a file and is started again."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

BOUND = Path(__file__).with_name("bound.py")
FIRST_DELAY_SECONDS = 0.5
LONGEST_DELAY_SECONDS = 30.0
SETTLED_SECONDS = 30.0
"""A part that lived this long has started well: its next death is a new story, and the delay starts anew."""
MAX_LOG_BYTES = 8 * 1024 * 1024
_TAIL_BYTES = 2000


@dataclass(frozen=True, slots=True)
class Part:
    """How to start a part. `stdin` is given to it whole, `keep_fds` are open file descriptors that it inherits."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    stdin: bytes | None = None
    keep_fds: Sequence[int] = ()


def bound_command(command: Sequence[str]) -> list[str]:
    """`command`, made to die with this process. To be started from the main thread, whose death is what counts."""
    return [sys.executable, "-I", "-S", str(BOUND), str(os.getpid()), *command]


def start(part: Part, log: Path) -> subprocess.Popen[bytes]:
    """Start `part` in a session of its own, so that a terminal's Ctrl-C reaches it through its supervisor only."""
    with log.open("ab") as output:
        process: subprocess.Popen[bytes] = subprocess.Popen(
            bound_command(part.command),
            env={**os.environ, **part.environment},
            stdin=subprocess.DEVNULL if part.stdin is None else subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=tuple(part.keep_fds),
        )
    if part.stdin is not None:
        _feed(process.stdin, part.stdin)
    return process


def _feed(pipe: IO[bytes] | None, text: bytes) -> None:
    assert pipe is not None, "stdin was asked for"
    with contextlib.suppress(BrokenPipeError), pipe:
        pipe.write(text)


def kill(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL the part and whatever it started in its session's first group."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):
        process.kill()


def ending(returncode: int) -> str:
    """An exit status in words."""
    if returncode < 0:
        return f"killed by {signal.Signals(-returncode).name}"
    return f"exit code {returncode}"


def last_line(log: Path) -> str:
    """The last line that is not empty, shortened; empty when there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(file.seek(0, os.SEEK_END) - _TAIL_BYTES, 0))
            lines = file.read().decode(errors="replace").split("\n")
    except OSError:
        return ""
    return next((line.strip()[:200] for line in reversed(lines) if line.strip()), "")


def rotate(log: Path, most_bytes: int = MAX_LOG_BYTES) -> None:
    """Keep one older generation beside `log` once it has grown past `most_bytes`.

    Copied and emptied in place, since the part holds the file open: it appends, so it goes on at the new end. A line
    written between the two steps is lost; these are logs, the journal is in the store.
    """
    with contextlib.suppress(FileNotFoundError):
        if log.stat().st_size > most_bytes:
            shutil.copyfile(log, log.with_name(f"{log.name}.1"))
            os.truncate(log, 0)


class Backoff:
    """How long to wait before the next start: doubling, and forgotten after a life of `SETTLED_SECONDS`."""

    def __init__(self) -> None:
        self._next = FIRST_DELAY_SECONDS

    def after(self, lived_seconds: float) -> float:
        """The delay after a life of `lived_seconds`."""
        if lived_seconds >= SETTLED_SECONDS:
            self._next = FIRST_DELAY_SECONDS
        delay = self._next
        self._next = min(delay * 2, LONGEST_DELAY_SECONDS)
        return delay
