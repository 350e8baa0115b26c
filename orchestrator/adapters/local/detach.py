"""Starts a program that belongs to nobody: own session, adopted by init, alive when the service is not.

Run as a script, `detach.py LOG FOLDER PROGRAM [ARGUMENT ...]`, and never imported: it forks, and a fork is only safe in
a process with one thread. It prints the new pid and exits 0 once the program runs, or says why it does not and exits 1.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path


def start(log: str, folder: str, command: list[str]) -> int:
    """The pid of `command`, which has replaced the forked child by then; `OSError` when it could not."""
    told, tell = os.pipe()  # closed by the exec: silence until the end of file means success
    child = os.fork()
    if child == 0:
        try:
            os.setsid()
            os.chdir(folder)
            output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(output, 1)
            os.dup2(output, 2)
            os.execv(command[0], command)  # noqa: S606 - a shell would only be in the way
        except OSError as error:
            os.write(tell, f"{command[0]}: {error}".encode())
        finally:
            os._exit(127)
    os.close(tell)
    with os.fdopen(told, "rb") as report:
        reason = report.read()
    if reason:
        raise OSError(reason.decode(errors="replace"))
    return child


def main(arguments: list[str]) -> int:
    if len(arguments) < 3 or not Path(arguments[2]).is_absolute():
        print("usage: detach.py LOG FOLDER /ABSOLUTE/PROGRAM [ARGUMENT ...]", file=sys.stderr)
        return 2
    try:
        print(start(arguments[0], arguments[1], arguments[2:]))
    except OSError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
