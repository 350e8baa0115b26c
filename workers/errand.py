"""Something that `up` does once on its own terminal while the service runs: the demonstration."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence

from workers.part import bound_command, kill

_INTERRUPT_SECONDS = 2.0


class Errand:
    """A child on this terminal, in a process group of its own. It dies with this process.

    `tell` hands it a line to show: two writers on one terminal would tear each other's lines.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._process: subprocess.Popen[bytes] = subprocess.Popen(
            bound_command(command),
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            process_group=0,
        )

    def poll(self) -> int | None:
        """Its exit code, None while it runs."""
        return self._process.poll()

    def tell(self, line: str) -> bool:
        """Whether `line` was taken: False once the errand has ended or listens no more."""
        if self._process.poll() is not None or self._process.stdin is None:
            return False
        try:
            self._process.stdin.write(line.encode() + b"\n")
            self._process.stdin.flush()
        except (BrokenPipeError, ValueError):
            return False
        return True

    def stop(self) -> None:
        """Interrupt it, so that it leaves the terminal in order, then kill it."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_INTERRUPT_SECONDS)
        kill(self._process)
        with contextlib.suppress(BrokenPipeError):
            self._process.communicate()
