"""What a stage needs and this machine lacks, from the store: a training's newest checkpoint, earlier stages' results.

Run by the supervisor as `python -m workers.node.restore JOB_DIR` before anything else, where the job names a store. It
fails rather than let a training that was paid for begin anew.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from workers.node import checkpoints, processes
from workers.node.clock import SYSTEM_CLOCK
from workers.node.job import CONFIG_FILE, METRICS_FILE, Job, StorePlace, read_job
from workers.node.journal import Journal
from workers.node.manifest import ManifestError
from workers.node.orders import Orders
from workers.node.store import Store
from workers.node.store_files import StoreError


class Restorer:
    """Downloads into the run's folder; what is there already stays as it is."""

    def __init__(self, job: Job, place: StorePlace, store: Store, journal: Journal) -> None:
        self._job = job
        self._place = place
        self._store = store
        self._journal = journal

    def run(self) -> None:
        """Fetch everything. StoreError or ManifestError when the stage cannot begin without what is missing."""
        for path in dict.fromkeys(self._inputs()):
            if not _is_there(path):
                self._fetch(path)
        if self._job.train is not None and self._job.train.resume_from is not None:
            self._fetch_checkpoint()

    def _fetch_checkpoint(self) -> None:
        """The newest complete checkpoint of the stage, unless one that is as new lies here."""
        here = checkpoints.newest_complete(self._job.output_dir)
        try:
            there = self._store.newest_complete(self._place.prefix_of(self._job.output_dir))
        except StoreError as error:
            if here is None:
                raise
            print(f"going on from {here.name} of this machine: {error}", flush=True)
            return
        if there is None or (here is not None and checkpoints.step_of(here) >= checkpoints.step_of(Path(there))):
            return
        target = self._job.output_dir / there
        checkpoints.remove(target)  # incomplete, or it would have been found here
        self._fetch(target)

    def _fetch(self, path: Path) -> None:
        begun = SYSTEM_CLOCK.monotonic()
        path.parent.mkdir(parents=True, exist_ok=True)
        manifest = self._store.download_folder(self._place.prefix_of(path), path)
        seconds = SYSTEM_CLOCK.monotonic() - begun
        self._journal.write("restored", folder=path.name, bytes=manifest.size, seconds=seconds)

    def _inputs(self) -> Iterator[Path]:
        """Folders of the run that this stage reads and another one has made."""
        named: list[object] = []
        if self._job.merge is not None:
            named = [self._job.merge.base_model, str(self._job.merge.adapter_dir)]
        if self._job.evaluate is not None:
            task = self._job.evaluate
            named = [task.base_model, task.tuned_dir, task.tuned_base]
        if self._job.train is not None:
            named = [_base_model(self._job.job_dir / CONFIG_FILE)]
        paths = (Path(name) for name in named if isinstance(name, str) and name.startswith("/"))
        yield from (path for path in paths if path.is_relative_to(self._place.run_dir) and path != self._place.run_dir)


def _base_model(config: Path) -> object:
    import yaml

    try:
        document = yaml.safe_load(config.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return document.get("base_model") if isinstance(document, dict) else None


def _is_there(path: Path) -> bool:
    return path.is_file() or (path.is_dir() and any(path.iterdir()))


def main(arguments: Sequence[str]) -> int:
    """Exit code 1, with a line that says why, when something that is needed cannot be had."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # nothing is lost: what is half fetched is fetched anew
    processes.die_with_parent()
    job = read_job(Path(arguments[0]))
    assert job.store is not None
    orders = Orders(job, SYSTEM_CLOCK)

    def left() -> float:
        orders.refresh()
        return orders.hard_left

    try:
        store = Store(job.store.url, job.store.endpoint_url, left)
        Restorer(job, job.store, store, Journal(job.job_dir / METRICS_FILE, SYSTEM_CLOCK)).run()
    except (StoreError, ManifestError) as error:
        print(f"what the stage needs cannot be fetched from the store: {error}", flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
