"""The supervisor's side of the courier: starts it, starts it again when it dies, and never waits past the deadline.

Standard library only.
"""

from __future__ import annotations

import contextlib
import math
import os
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from workers.node import commands, processes
from workers.node.checkpoints import read_object, write_atomically
from workers.node.clock import Clock
from workers.node.job import Job, StorePlace
from workers.node.orders import Orders

DELIVERED_FILE = "store.json"
DRAFT_FILE = ".exit.json.draft"
EXIT_NAME = "exit.json"
LOG_FILE = "store.log"
POLL_SECONDS = 0.05
AGAIN_SECONDS = 5.0
MOST_FINISHES = 3
"""How often the end is tried: a machine that only waits for a store that is down costs what one that trains costs."""
ENDING_SECONDS = 1.0
"""Before the hard deadline, for ending the courier and writing the verdict."""


@dataclass(slots=True)
class Delivered:
    """What the courier has brought to the store: the newest checkpoint's name, whether the result is there, whether
    the completion marker is; `message` is the last failure, empty when nothing is amiss."""

    checkpoint: str | None = None
    result: bool = False
    marker: bool = False
    uploads: int = 0
    message: str = ""

    @classmethod
    def read(cls, job_dir: Path) -> Delivered:
        """What an earlier courier of this job left; nothing when there was none."""
        document = read_object(job_dir / DELIVERED_FILE)
        return cls(**{name: document[name] for name in asdict(cls()) if name in document})

    def write(self, job_dir: Path) -> None:
        """A full disk loses it, never the delivery."""
        with contextlib.suppress(OSError):
            write_atomically(job_dir / DELIVERED_FILE, asdict(self))


class Delivery:
    """One job's courier, a process beside the stage. Nothing it does or fails to do reaches the training."""

    def __init__(self, job: Job, place: StorePlace, clock: Clock) -> None:
        self._job = job
        self._place = place
        self._clock = clock
        self._courier: subprocess.Popen[bytes] | None = None
        self._start_at = math.inf

    @property
    def pid(self) -> int | None:
        """The courier's process, which leads a group of its own; None before the start."""
        return None if self._courier is None else self._courier.pid

    def start(self) -> None:
        """Start a courier; one that cannot be started is tried again later."""
        self._start_at = self._clock.monotonic() + AGAIN_SECONDS
        with contextlib.suppress(OSError), (self._job.job_dir / LOG_FILE).open("ab") as log:
            command, environment = commands.courier(self._job), commands.environment(self._job)
            self._courier = processes.start(command, environment, self._job.job_dir, log, input_pipe=True)

    def keep_going(self) -> None:
        """Start the courier again if it has died, though not at once."""
        dead = self._courier is None or self._courier.poll() is not None
        if dead and self._clock.monotonic() >= self._start_at:
            self.start()

    def finish(self, draft: dict[str, object], orders: Orders) -> dict[str, object]:
        """Let what is left be delivered, the completion marker `draft` last, as long as time allows; then end the
        courier. Returns what is in the store."""
        give_up_at = self._clock.monotonic() + self._place.patience_seconds
        with contextlib.suppress(OSError):
            write_atomically(self._job.job_dir / DRAFT_FILE, draft)
        for attempt in range(MOST_FINISHES):
            if attempt or self._courier is None or self._courier.poll() is not None:
                self.start()
            if self._ended_well(orders, give_up_at):
                break
        if self._courier is not None:
            processes.end_all(self._courier.pid)
        (self._job.job_dir / DRAFT_FILE).unlink(missing_ok=True)
        delivered = Delivered.read(self._job.job_dir)
        if not delivered.marker and not delivered.message:
            delivered.message = "no time was left to bring everything to the store"
        return {"url": self._place.url, "prefix": self._place.prefix, **asdict(delivered)}

    def _ended_well(self, orders: Orders, give_up_at: float) -> bool:
        """Close the courier's input and wait for its end. True also when no time is left for another."""
        courier = self._courier
        if courier is None:
            return False
        assert courier.stdin is not None
        with contextlib.suppress(OSError):
            courier.stdin.close()
        while courier.poll() is None:
            time.sleep(POLL_SECONDS)
            orders.refresh()
            if orders.hard_left <= ENDING_SECONDS or self._clock.monotonic() >= give_up_at:
                return True
        return courier.returncode == os.EX_OK
