"""Runs one job on a rented machine, and tells on standard output what the job writes: the control plane reads its log.

Run as `python -m workers.node.relay NAME` in the folder that was brought over: it holds this package, the job as
`orders/NAME/job.json` (with `config.yaml`), and later orders as `control/NAME.json`. Each of its lines is one of

    latticeforge:line OFFSET "..."     a whole line of metrics.jsonl, which begins at that byte
    latticeforge:exit {...}            exit.json, after all lines: the last thing told
    latticeforge:alive                 nothing happened for a while, and the connection is not lost

A connection that was lost is followed anew from the beginning or from the end: the offsets tell what is known already.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from workers.node import processes
from workers.node.checkpoints import read_object
from workers.node.clock import SYSTEM_CLOCK, Clock
from workers.node.job import CONFIG_FILE, CONTROL_FILE, JOB_FILE, LOG_FILE, METRICS_FILE

MARK = "latticeforge:"
POLL_SECONDS = 0.25
ALIVE_SECONDS = 15.0
EXIT_FILE, SUPERVISOR_FILE = "exit.json", "supervisor.json"


class Relay:
    """One job, from its orders to its last line."""

    def __init__(self, brought: Path, name: str, clock: Clock) -> None:
        self._orders = brought / "orders" / name
        self._control = brought / "control" / f"{name}.json"
        self._brought = brought
        self._clock = clock
        self._offset = 0
        self._told_at = clock.monotonic()
        self._asked_to_end = False
        job = read_object(self._orders / JOB_FILE)
        self._lease_id = str(job.get("lease_id", ""))
        self._job_dir = Path(str(job.get("job_dir", "")))
        self._folders = [self._job_dir, *(Path(str(job.get(key, ""))) for key in ("output_dir", "data_dir"))]

    def run(self) -> int:
        """Exit code 0 once the job's verdict was told; 2 when there is no job, 1 when it ended without a verdict."""
        if not self._job_dir.is_absolute():
            print(f"{self._orders} holds no job", file=sys.stderr)
            return 2
        self._place()
        supervisor = self._start()
        signal.signal(signal.SIGTERM, self._on_terminate)
        while True:
            # Asked before the lines are read: every line was written before the end, so none can be missed.
            ended = not self._lives(supervisor)
            self._bring_orders()
            self._tell_lines()
            if ended:
                return self._tell_exit()
            if self._asked_to_end:
                supervisor.terminate()
                self._asked_to_end = False
            self._wait(supervisor)

    def _place(self) -> None:
        """Put the job where it says that it lies. One that lies there already has been started: it stays as it is."""
        for folder in self._folders:
            folder.mkdir(parents=True, exist_ok=True)
        for name in (CONFIG_FILE, JOB_FILE):
            source, target = self._orders / name, self._job_dir / name
            if source.exists() and not target.exists():
                _replace(source, target)

    def _start(self) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "PYTHONPATH": str(self._brought), "PYTHONUNBUFFERED": "1"}
        environment |= {"LATTICEFORGE_LEASE_ID": self._lease_id, "LATTICEFORGE_HOME": str(self._brought)}
        with (self._job_dir / LOG_FILE).open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "workers.node.supervisor", str(self._job_dir)],
                env=environment,
                cwd=self._job_dir,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _lives(self, supervisor: subprocess.Popen[bytes]) -> bool:
        """Whether the job's supervisor lives: the one started here, or an earlier one whose job it was."""
        if supervisor.poll() is None:
            return True
        pid = read_object(self._job_dir / SUPERVISOR_FILE).get("pid")
        facts = processes.facts_of(pid) if isinstance(pid, int) and pid != supervisor.pid else None
        return facts is not None and facts.alive and not (self._job_dir / EXIT_FILE).exists()

    def _bring_orders(self) -> None:
        target = self._job_dir / CONTROL_FILE
        orders = read_object(self._control)
        if orders and orders != read_object(target):
            _replace(self._control, target)

    def _tell_lines(self) -> None:
        try:
            with (self._job_dir / METRICS_FILE).open("rb") as stream:
                stream.seek(self._offset)
                whole = stream.read()
        except OSError:
            whole = b""
        for line in whole[: whole.rfind(b"\n") + 1].splitlines(keepends=True):
            # Latin-1 has a letter for every byte: what comes out is what went in, torn lines included.
            self._tell(f"line {self._offset} {json.dumps(line.decode('latin-1'))}")
            self._offset += len(line)
        if self._clock.monotonic() - self._told_at >= ALIVE_SECONDS:
            self._tell("alive")

    def _tell_exit(self) -> int:
        verdict = read_object(self._job_dir / EXIT_FILE)
        if not verdict:
            return 1
        self._tell(f"exit {json.dumps(verdict)}")
        return 0

    def _tell(self, what: str) -> None:
        self._told_at = self._clock.monotonic()
        print(MARK + what, flush=True)

    @staticmethod
    def _wait(supervisor: subprocess.Popen[bytes]) -> None:
        try:
            supervisor.wait(POLL_SECONDS)
        except subprocess.TimeoutExpired:
            return

    def _on_terminate(self, _number: int, _frame: FrameType | None) -> None:
        self._asked_to_end = True


def _replace(source: Path, target: Path) -> None:
    """Copy a file so that a reader sees the old one or the new one, never a part."""
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    shutil.copyfile(source, temporary)
    temporary.replace(target)


def main(arguments: Sequence[str]) -> int:
    if len(arguments) != 1:
        print("usage: python -m workers.node.relay NAME", file=sys.stderr)
        return 2
    return Relay(Path.cwd(), arguments[0], SYSTEM_CLOCK).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
