"""Starting a stage so that it cannot outlive the supervisor, and ending all of it. Linux, standard library only."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_ENDING_POLL_SECONDS = 0.01
_FUSE_PRIORITY = -10
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class ProcessFacts:
    """One line of /proc. `state` is the kernel's letter; `start_ticks` counts clock ticks from boot to its creation."""

    pid: int
    parent: int
    group: int
    state: str
    start_ticks: int

    @property
    def alive(self) -> bool:
        """Whether it can still run: a zombie has ended and only waits to be counted."""
        return self.state not in "ZX"


def die_with_parent() -> None:
    """Ask the kernel to SIGKILL the calling process when its parent ends, however that comes about."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def adopt_orphans() -> None:
    """Become the parent of every orphaned descendant, so that none can leave the supervisor's sight."""
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def run_before_others() -> None:
    """Raise this process's priority, where that is allowed: a fuse must get the CPU that its trainer has taken."""
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, _FUSE_PRIORITY)


def start(
    command: Sequence[str], environment: Mapping[str, str], directory: Path, log: IO[bytes], *, input_pipe: bool = False
) -> subprocess.Popen[bytes]:
    """Start `command` in a process group of its own that dies with this process; output goes to `log`.

    With `input_pipe` its standard input stays open until we close it, else there is none.

    SIGTERM is ignored until the stage arms its own handler: a request to stop that arrives while libraries are still
    being imported must be noticed later, not be fatal now.
    """
    supervisor = os.getpid()

    def prepare_child() -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        with contextlib.suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, 0, 0)
        die_with_parent()
        if os.getppid() != supervisor:  # it died before the line above could bind us to it
            os._exit(1)

    return subprocess.Popen(
        list(command),
        env=dict(environment),
        cwd=directory,
        stdin=subprocess.PIPE if input_pipe else subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        process_group=0,
        preexec_fn=prepare_child,  # safe: the supervisor has one thread
    )


def send(pid: int, number: signal.Signals) -> None:
    """Signal one process; one that is gone is no error."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def end_all(group: int, patience_seconds: float = 20.0, spared: int | None = None) -> bool:
    """SIGKILL the process group and every descendant, wherever it hid, until none is left alive; but for the group
    `spared`.

    torchrun puts each rank into a session of its own, so the group alone would miss what costs the money.
    Returns False when something is still alive after `patience_seconds` (a process stuck in the kernel).
    """
    give_up_at = time.monotonic() + patience_seconds
    while True:
        living = [facts for facts in _descendants_and_group(group) if facts.alive and facts.group != spared]
        if not living:
            return True
        if time.monotonic() > give_up_at:
            return False
        for facts in living:
            send(facts.pid, signal.SIGKILL)
        time.sleep(_ENDING_POLL_SECONDS)


def facts_of(pid: int) -> ProcessFacts | None:
    """What /proc says of `pid`; None when there is no such process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = text[text.rindex(")") + 2 :].split()  # the name in parentheses may hold anything, spaces included
    return ProcessFacts(
        pid=pid, parent=int(fields[1]), group=int(fields[2]), state=fields[0], start_ticks=int(fields[19])
    )


def created_at(pid: int) -> float:
    """When `pid` was created, in Unix seconds: start ticks since boot plus the boot time, as psutil computes it."""
    facts = facts_of(pid)
    ticks = facts.start_ticks if facts else 0
    boot = next(
        line for line in Path("/proc/stat").read_text(encoding="ascii").splitlines() if line.startswith("btime")
    )
    return float(boot.split()[1]) + ticks / os.sysconf("SC_CLK_TCK")


def _descendants_and_group(group: int) -> list[ProcessFacts]:
    everything = list(_all_processes())
    family = {os.getpid()}
    grew = True
    while grew:
        children = {facts.pid for facts in everything if facts.parent in family} - family
        family |= children
        grew = bool(children)
    family.discard(os.getpid())
    return [facts for facts in everything if facts.pid in family or facts.group == group]


def _all_processes() -> Iterator[ProcessFacts]:
    for entry in os.scandir("/proc"):
        if entry.name.isdigit() and (facts := facts_of(int(entry.name))) is not None:
            yield facts
