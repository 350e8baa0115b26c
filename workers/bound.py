"""Runs a program that dies with whoever started it: `bound.py PARENT_PID PROGRAM [ARGUMENT ...]`.

Run as a script in a fresh interpreter: the supervisor has threads, and between a fork and an exec nothing is safe in
such a process. The kernel keeps the promise across the exec (prctl(2), PR_SET_PDEATHSIG). Linux only.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Becomes the program. Exit code 1 when the parent has died already, 127 when there is no such program."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != int(arguments[0]):  # it died before the line above could bind us to it
        sys.exit(1)
    try:
        os.execvp(arguments[1], arguments[1:])  # noqa: S606 - a shell would only be in the way
    except OSError as error:
        print(f"{arguments[1]}: {error.strerror}", file=sys.stderr)
        sys.exit(127)


if __name__ == "__main__":
    main(sys.argv[1:])
