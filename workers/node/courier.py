"""Brings a job's checkpoints, its result and its completion marker to the store, beside the training.

Run by the supervisor as `python -m workers.node.courier JOB_DIR`. While standard input is open, the newest complete
checkpoint is delivered, one at a time; once it is closed, what is left, the completion marker last. What fails is said
in `store.json` and tried again; the training never waits.
"""

from __future__ import annotations

import os
import select
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from workers.node import checkpoints, processes
from workers.node.clock import SYSTEM_CLOCK, Clock
from workers.node.delivery import DRAFT_FILE, EXIT_NAME, Delivered
from workers.node.job import CONFIG_FILE, JOB_FILE, LOG_FILE, METRICS_FILE, Job, StorePlace, read_job
from workers.node.journal import Journal
from workers.node.manifest import ManifestError, nothing
from workers.node.orders import Orders
from workers.node.store import CHECKPOINT, Store
from workers.node.store_files import StoreError

LOOK_SECONDS = 0.5
RETRY_SECONDS = 5.0
"""After a delivery that failed. Each tries for a while itself; the next takes the then newest checkpoint."""
POLITENESS = 10
"""Of 19: the training's data loading goes first."""
SNAPSHOTS = ".store"


class Courier:
    """Delivers one job's files, and begins nothing once the job's hard deadline has come. StoreError for a store that
    there cannot be."""

    def __init__(self, job: Job, place: StorePlace, orders: Orders, clock: Clock) -> None:
        self._job = job
        self._place = place
        self._orders = orders
        self._store = Store(place.url, place.endpoint_url, self._left)
        self._sending: Path | None = None
        self._clock = clock
        self._journal = Journal(job.job_dir / METRICS_FILE, clock)
        self._delivered = Delivered.read(job.job_dir)
        self._forgotten = job.train is None or job.train.resume_from is not None or self._delivered.uploads > 0
        self._rest_until = clock.monotonic()

    def look(self) -> None:
        """Deliver the newest complete checkpoint if it is not there yet."""
        if self._job.kind != "train" or self._clock.monotonic() < self._rest_until:
            return
        try:
            self._newest_checkpoint()
        except (StoreError, ManifestError, OSError) as error:
            self._tell(error)

    def finish(self) -> bool:
        """Deliver the result, the newest checkpoint and the completion marker, in this order. Whether all are there."""
        draft = checkpoints.read_object(self._job.job_dir / DRAFT_FILE)
        result = draft.get("result")
        try:
            # A stopped training's result is its checkpoint.
            if isinstance(result, str) and CHECKPOINT.fullmatch(Path(result).name) is None:
                self._upload(Path(result), _is_no_part_of_a_result)
            if self._job.kind == "train":
                self._newest_checkpoint()
            self._delivered.result = isinstance(result, str)
            self._marker()
        except (StoreError, ManifestError, OSError) as error:
            self._tell(error)
            return False
        self._delivered.message = ""
        self._delivered.write(self._job.job_dir)
        return True

    def _newest_checkpoint(self) -> None:
        newest = checkpoints.newest_complete(self._job.output_dir)
        if newest is None or newest.name == self._delivered.checkpoint:
            return
        output = self._place.prefix_of(self._job.output_dir)
        if not self._forgotten:
            self._store.forget(output)
            self._forgotten = True
        snapshot = _fresh(self._job.output_dir / SNAPSHOTS)
        try:
            # The trainer may delete the checkpoint while it is being sent, but not before a newer one is complete.
            shutil.copytree(newest, snapshot, copy_function=_link_or_copy, dirs_exist_ok=True, symlinks=True)
            if checkpoints.newest_complete(self._job.output_dir) != newest:
                return  # it may have been deleted while it was looked at; the newer one is next
            self._sending = newest
            self._upload(snapshot, at=newest)
        finally:
            self._sending = None
            shutil.rmtree(snapshot, ignore_errors=True)
        self._delivered.checkpoint, self._delivered.message = newest.name, ""
        self._delivered.write(self._job.job_dir)
        self._store.prune(output, newest.name)

    def _upload(self, folder: Path, leave_out: Callable[[str], bool] = nothing, at: Path | None = None) -> None:
        """`folder` as what lies at `at` (itself); leaves a line in the journal."""
        begun = self._clock.monotonic()
        prefix = self._place.prefix_of(at or folder)
        sent = self._store.upload_folder(folder, prefix, leave_out)
        self._delivered.uploads += 1
        name = (at or folder).name
        self._journal.write("stored", folder=name, bytes=sent.size, seconds=self._clock.monotonic() - begun)

    def _marker(self) -> None:
        """The attempt's own files, its exit document among them: there once everything else is."""
        job_dir = self._job.job_dir
        folder = _fresh(job_dir / SNAPSHOTS)
        for name in (JOB_FILE, CONFIG_FILE, LOG_FILE, METRICS_FILE):
            if (job_dir / name).is_file():
                shutil.copyfile(job_dir / name, folder / name)  # copied: a line that comes meanwhile must not tell
        shutil.copyfile(job_dir / DRAFT_FILE, folder / EXIT_NAME)
        self._store.upload_folder(folder, self._place.prefix_of(job_dir))
        self._delivered.marker = True
        shutil.rmtree(folder, ignore_errors=True)

    def _left(self) -> float:
        """Seconds for what is being sent. None for a checkpoint that is not the last one, once training has ended: the
        time until the hard deadline belongs to the last."""
        sending = self._sending
        if (
            sending is not None
            and _input_is_closed(0.0)
            and checkpoints.newest_complete(self._job.output_dir) != sending
        ):
            return 0.0
        self._orders.refresh()
        return self._orders.hard_left

    def _tell(self, error: Exception) -> None:
        print(f"not stored: {error}", flush=True)
        self._delivered.message = str(error)
        self._delivered.write(self._job.job_dir)
        self._rest_until = self._clock.monotonic() + RETRY_SECONDS


def _fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _link_or_copy(source: str, target: str) -> None:
    """A second name costs nothing; not every file system has them."""
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        shutil.copyfile(source, target, follow_symlinks=False)


def _is_no_part_of_a_result(name: str) -> bool:
    """A checkpoint is stored by itself, and what begins with a dot is in the making."""
    return name.startswith((".", "checkpoint-"))


def _input_is_closed(seconds: float) -> bool:
    """Whether the supervisor has closed our input, or does so within `seconds`."""
    ready, _, _ = select.select([sys.stdin], [], [], seconds)
    return bool(ready) and not os.read(sys.stdin.fileno(), 1)


def main(arguments: Sequence[str]) -> int:
    """Exit code 0 when everything was delivered, 1 when something is missing; `store.json` says what."""
    processes.die_with_parent()
    os.nice(POLITENESS)
    job = read_job(Path(arguments[0]))
    assert job.store is not None
    try:
        courier = Courier(job, job.store, Orders(job, SYSTEM_CLOCK), SYSTEM_CLOCK)
    except StoreError as error:
        Delivered(message=str(error)).write(job.job_dir)
        return 1
    while not _input_is_closed(LOOK_SECONDS):
        courier.look()
    return 0 if courier.finish() else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
