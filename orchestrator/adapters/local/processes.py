"""The processes of a lease: started detached, known by the mark in their environment, ended all together.

Standard library and psutil only: the keeper imports it.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from orchestrator.domain.errors import ComputeError
from orchestrator.domain.json_value import JsonValue

LEASE_VARIABLE = "LATTICEFORGE_LEASE_ID"
HOME_VARIABLE = "LATTICEFORGE_HOME"
START_SECONDS = 20.0
ENDING_POLL_SECONDS = 0.01
CREATE_TIME_TOLERANCE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Mark:
    """What every process of a lease bears in its environment. `home` keeps two installations apart."""

    home: Path
    lease_id: str

    def environment(self) -> dict[str, str]:
        return {LEASE_VARIABLE: self.lease_id, HOME_VARIABLE: str(self.home)}

    def is_on(self, process: psutil.Process) -> bool:
        """Whether the process bears it; one that is gone, a zombie or another user's does not."""
        with contextlib.suppress(psutil.Error, OSError):
            environment = process.environ()
            return environment.get(LEASE_VARIABLE) == self.lease_id and environment.get(HOME_VARIABLE) == str(self.home)
        return False


@dataclass(frozen=True, slots=True)
class Identity:
    """A process that stays the same one although pids are used again. `create_time` is in Unix seconds."""

    pid: int
    create_time: float

    @classmethod
    def of(cls, pid: int) -> Identity:
        """The process that has `pid` now; one that is gone already gets an identity that is never alive."""
        try:
            return cls(pid, psutil.Process(pid).create_time())
        except psutil.NoSuchProcess:
            return cls(pid, -1.0)

    @classmethod
    def read(cls, document: Mapping[str, JsonValue]) -> Identity:
        """From `pid` and `create_time` of a document; `ComputeError` when they are not there."""
        pid, created = document.get("pid"), document.get("create_time")
        if not isinstance(pid, int) or isinstance(created, bool) or not isinstance(created, int | float):
            raise ComputeError("a process is noted without pid and create_time")
        return cls(pid, float(created))

    def document(self) -> dict[str, JsonValue]:
        return {"pid": self.pid, "create_time": self.create_time}

    def living(self, mark: Mark) -> psutil.Process | None:
        """The process, None when it has ended; a zombie has ended.

        A step of the system's clock moves every process's create_time, so a process that bears the lease's mark is
        taken for the same one even then.
        """
        try:
            process = psutil.Process(self.pid)
            if process.status() == psutil.STATUS_ZOMBIE:
                return None
            same = abs(process.create_time() - self.create_time) <= CREATE_TIME_TOLERANCE_SECONDS
        except psutil.NoSuchProcess:
            return None
        return process if same or (self.create_time > 0 and mark.is_on(process)) else None


def start_detached(command: Sequence[str], environment: Mapping[str, str], folder: Path, log: Path) -> Identity:
    """Start `command` (an absolute path first) so that it outlives this process and never becomes its zombie.

    Output is appended to `log`. `ComputeError` when it cannot be started.
    """
    detach = str(Path(__file__).with_name("detach.py"))
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-S", detach, str(log), str(folder), *command],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=START_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ComputeError(f"cannot start a process: {error}") from error
    if done.returncode != 0:
        raise ComputeError(f"cannot start {command[0]}: {done.stderr.strip()}")
    return Identity.of(int(done.stdout))


def marked(mark: Mark) -> list[psutil.Process]:
    """Every living process that bears the mark."""
    return [process for process in _all() if mark.is_on(process)]


def marked_leases(home: Path) -> set[str]:
    """The lease ids on all living processes that were started for `home`."""
    leases: set[str] = set()
    for process in _all():
        with contextlib.suppress(psutil.Error, OSError):
            environment = process.environ()
            if environment.get(HOME_VARIABLE) == str(home) and environment.get(LEASE_VARIABLE):
                leases.add(environment[LEASE_VARIABLE])
    return leases


def end_marked(mark: Mark, spare: Collection[int] = (), patience_seconds: float = 5.0) -> list[int]:
    """SIGKILL every process of the lease but `spare`, until none is left; returns the pids that would not die in time.

    Descendants of a marked process are the lease's too, even where they cleaned their environment.
    """
    give_up_at = time.monotonic() + patience_seconds
    while family := _family(mark, spare):
        if time.monotonic() >= give_up_at:
            return [process.pid for process in family]
        # All are frozen before the first one dies, so that none forks, or writes of another's death, in between.
        for deed in (psutil.Process.suspend, psutil.Process.kill):
            for process in family:
                with contextlib.suppress(psutil.Error):
                    deed(process)
        time.sleep(ENDING_POLL_SECONDS)
    return []


def _family(mark: Mark, spare: Collection[int]) -> list[psutil.Process]:
    living = list(_all())
    children: defaultdict[int, list[psutil.Process]] = defaultdict(list)
    for process in living:
        with contextlib.suppress(psutil.Error):
            children[process.ppid()].append(process)
    found = {process.pid: process for process in living if mark.is_on(process) and process.pid not in spare}
    pending = list(found.values())
    while pending:
        for child in children[pending.pop().pid]:
            if child.pid not in found and child.pid not in spare:
                found[child.pid] = child
                pending.append(child)
    return list(found.values())


def _all() -> Iterator[psutil.Process]:
    for pid in psutil.pids():
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(pid)
            if process.status() != psutil.STATUS_ZOMBIE:
                yield process
