"""The node's fuse: runs a job's stages, and ends them at their deadlines without a network or a control plane.

Started detached as `python -m workers.node.supervisor JOB_DIR`. Standard library only.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from workers.node import checkpoints, commands, processes
from workers.node.clock import SYSTEM_CLOCK, Clock
from workers.node.delivery import Delivery
from workers.node.job import LOG_FILE, METRICS_FILE, Job, JobError, read_job
from workers.node.journal import JournalReader
from workers.node.orders import Orders
from workers.node.verdict import Progress, StageEnd, exit_document

POLL_SECONDS = 0.05
SECOND_CALL_SECONDS = 2.0
"""How long a stage may take to notice the soft deadline or a stop request by itself before it gets SIGTERM."""
MESSAGE_LINES = 20
SUPERVISOR_FILE = "supervisor.json"
EXIT_FILE = "exit.json"
EXIT_RESERVE_FILE = ".exit.json.reserve"
EXIT_RESERVE_BYTES = 64 * 1024


class Supervisor:
    """Runs one job once. `run` returns after `exit.json` is written and nothing of the job is left running."""

    def __init__(self, job: Job, clock: Clock) -> None:
        self._job = job
        self._clock = clock
        self._orders = Orders(job, clock)
        self._reader = JournalReader(job.job_dir / METRICS_FILE)
        self._progress = Progress()
        self._terminated = False
        self._started_at = clock.wall()
        self._delivery = None if job.store is None else Delivery(job, job.store, clock)

    def run(self) -> None:
        """Prepare what needs rows, run the stage, write `exit.json`."""
        signal.signal(signal.SIGTERM, self._on_terminate)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        end = self._stages()
        self._progress.follow(self._reader.new_events())
        checkpoint = checkpoints.newest_complete(self._job.output_dir) if self._job.kind == "train" else None

        def document() -> dict[str, object]:
            return exit_document(self._job, end, self._progress, checkpoint, (self._started_at, self._clock.wall()))

        if self._delivery is None:
            write_exit(self._job.job_dir, document())
        else:
            stored = self._delivery.finish(document(), self._orders)
            write_exit(self._job.job_dir, {**document(), "store": stored})

    def _stages(self) -> StageEnd:
        """What readies the machine, then the stage itself; the first to fail is the last."""
        first = [commands.restore(self._job)] if self._job.store else []
        if self._job.kind != "merge":
            first.append(commands.prepare(self._job))
        for command in first:
            end = self._stage(command)
            if end.exit_code != 0 or end.killed:
                return end
        main = self._main_command()
        if self._delivery is not None:
            self._delivery.start()
        return self._stage(main)

    def _main_command(self) -> list[str]:
        if self._job.kind == "evaluate":
            return commands.evaluate(self._job)
        if self._job.kind == "merge":
            return commands.merge(self._job)
        assert self._job.train is not None
        resumed = checkpoints.newest_complete(self._job.output_dir) if self._job.train.resume_from else None
        if resumed is None:
            checkpoints.forget(self._job.output_dir)
        return commands.train(self._job, resumed)

    def _stage(self, command: Sequence[str]) -> StageEnd:
        """Run one child to its end, whoever brings that about."""
        why = self._reason_to_stop()
        if why is not None:
            return StageEnd(exit_code=0, interrupted=why, killed=False, message="")
        log_path = self._job.job_dir / LOG_FILE
        try:
            with log_path.open("ab") as log:
                offset = log.tell()
                child = processes.start(command, commands.environment(self._job), self._job.job_dir, log)
        except OSError as error:
            return StageEnd(exit_code=1, interrupted=None, killed=False, message=f"cannot start {command[0]}: {error}")
        interrupted, killed = self._watch(child)
        processes.end_all(child.pid, spared=None if self._delivery is None else self._delivery.pid)
        code = child.poll()
        return StageEnd(-signal.SIGKILL if code is None else code, interrupted, killed, last_lines(log_path, offset))

    def _watch(self, child: subprocess.Popen[bytes]) -> tuple[str | None, bool]:
        """Wait for the child; SIGTERM it on the second call, report a kill when it outlives the hard deadline.

        Returns why it was asked to stop (None when it was not), and whether it must be killed.
        """
        interrupted: str | None = None
        asked_at = -math.inf
        while child.poll() is None:
            time.sleep(POLL_SECONDS)
            self._orders.refresh()
            self._progress.follow(self._reader.new_events())
            if self._delivery is not None:
                self._delivery.keep_going()
            if self._orders.hard_left <= 0:
                return interrupted, True
            # Asked again and again: a signal that comes before the stage listens is lost, and another does no harm.
            if self._second_call_due() and self._clock.monotonic() - asked_at >= SECOND_CALL_SECONDS:
                asked_at = self._clock.monotonic()
                interrupted = interrupted or self._reason_to_stop()
                self._ask(child)
        return interrupted, False

    def _second_call_due(self) -> bool:
        if self._terminated:
            return True
        return max(-self._orders.soft_left, self._orders.stop_age) >= SECOND_CALL_SECONDS

    def _ask(self, child: subprocess.Popen[bytes]) -> None:
        """SIGTERM the training process. torchrun itself is never asked: it would end its ranks before they can save."""
        launched = self._job.train is not None and self._job.train.launcher == "torchrun"
        pid = self._progress.trainer_pid or (None if launched else child.pid)
        if pid is not None:
            processes.send(pid, signal.SIGTERM)

    def _reason_to_stop(self) -> str | None:
        if self._orders.soft_left <= 0:
            return "soft_deadline"
        if self._orders.stop_requested:
            return "stop_requested"
        return "signal" if self._terminated else None

    def _on_terminate(self, _number: int, _frame: FrameType | None) -> None:
        self._terminated = True


def claim(job_dir: Path, started_at: float) -> bool:
    """Write `supervisor.json`, whole and only once. False when this folder already has, or had, its supervisor."""
    pid = os.getpid()
    record = {"pid": pid, "pgid": os.getpgrp(), "create_time": processes.created_at(pid), "started_at": started_at}
    temporary = job_dir / f".{SUPERVISOR_FILE}.{pid}"
    temporary.write_text(json.dumps(record) + "\n", encoding="utf-8")
    try:
        # A link, unlike O_EXCL, appears with its contents: no reader ever sees an empty file.
        os.link(temporary, job_dir / SUPERVISOR_FILE)
    except FileExistsError:
        return False
    finally:
        temporary.unlink()
    return True


def reserve_exit(job_dir: Path) -> None:
    """Set room aside for `exit.json`, so that a disk the trainer filled cannot keep the verdict from being written."""
    with contextlib.suppress(OSError), (job_dir / EXIT_RESERVE_FILE).open("wb") as stream:
        stream.write(b"\0" * EXIT_RESERVE_BYTES)


def write_exit(job_dir: Path, document: dict[str, object]) -> None:
    """Write `exit.json` into the reserved room and move it into place: the job's last act."""
    reserve = job_dir / EXIT_RESERVE_FILE
    with reserve.open("r+b" if reserve.exists() else "wb") as stream:
        stream.write(json.dumps(document).encode() + b"\n")
        stream.truncate()
        stream.flush()
        os.fsync(stream.fileno())
    reserve.replace(job_dir / EXIT_FILE)


def last_lines(log_path: Path, offset: int) -> str:
    """The last lines that were logged after `offset`, for a message; never more than a few kilobytes."""
    try:
        with log_path.open("rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(max(offset, size - 4096))
            text = stream.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
    return "\n".join(text.strip().splitlines()[-MESSAGE_LINES:])


def main(arguments: Sequence[str]) -> int:
    """Exit code 0 when the job was run to a verdict or is already another's; 2 when there is no job to run."""
    if len(arguments) != 1:
        print("usage: python -m workers.node.supervisor JOB_DIR", file=sys.stderr)
        return 2
    job_dir = Path(arguments[0]).absolute()
    try:
        job = read_job(job_dir)
    except JobError as error:
        print(error, file=sys.stderr)
        return 2
    if not claim(job_dir, SYSTEM_CLOCK.wall()):
        return 0
    reserve_exit(job_dir)
    processes.adopt_orphans()
    processes.run_before_others()
    Supervisor(job, SYSTEM_CLOCK).run()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
