"""An adapter merged into its base, exactly once: what is there already is recognised by content, and kept.

Run as `python -m workers.node.merge JOB_DIR`. The model is made in a folder beside `output_dir/merged` and renamed when
all of it is on disk, so a merge that was killed leaves nothing that could be taken for one.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from workers.node import checkpoints, commands, processes, weights
from workers.node.clock import SYSTEM_CLOCK, Clock
from workers.node.job import MERGED_FOLDER, METRICS_FILE, JobError, MergeTask, read_job
from workers.node.journal import Journal

MARKER = "latticeforge_merge.json"
_MAKING = f".{MERGED_FOLDER}.making"
_HUB_FILES = ("*.json", "*.model", "*.txt", "*.jinja")
"""What belongs to a model beside its weights, their index among it."""
_PICKLED = "pytorch_model*.bin"
_REPLACED = f".{MERGED_FOLDER}.replaced"


class MergeError(Exception):
    """A merge that must not be made, or whose result must not be kept; the message says why."""


@dataclass(frozen=True, slots=True)
class Merged:
    """What the marker says of a merged model. `at` is Unix seconds, `seconds` what the merge took."""

    base_model: str
    base_sha256: str
    adapter_dir: str
    adapter_sha256: str
    result_sha256: str
    changed_tensors: int
    at: float
    seconds: float


def merge(task: MergeTask, output_dir: Path, clock: Clock) -> Merged:
    """Make `output_dir/merged` from the task's base and adapter, unless it is already that, unchanged since.

    Raises MergeError for an adapter that is none, does not fit, is already merged into this base or makes a weight that
    is not finite; OSError when a file cannot be read or written.
    """
    begun = clock.monotonic()
    target = output_dir / MERGED_FOLDER
    if not (task.adapter_dir / weights.ADAPTER_CONFIG).is_file():
        raise MergeError(f"{task.adapter_dir} holds no adapter")
    base_dir = _local_folder(task.base_model)
    _refuse_writing_into(base_dir, target)
    base_sha256, adapter_sha256 = weights.digest(base_dir), weights.digest(task.adapter_dir)
    _refuse_second_merge(base_dir, adapter_sha256)
    made = read_marker(target)
    if made is not None and (made.base_sha256, made.adapter_sha256) == (base_sha256, adapter_sha256):
        return made
    making = output_dir / _MAKING
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True)
    changed = _fold(base_dir, task.adapter_dir, making)
    facts = Merged(
        base_model=task.base_model,
        base_sha256=base_sha256,
        adapter_dir=str(task.adapter_dir),
        adapter_sha256=adapter_sha256,
        result_sha256=weights.digest(making),
        changed_tensors=changed,
        at=clock.wall(),
        seconds=clock.monotonic() - begun,
    )
    checkpoints.write_atomically(making / MARKER, asdict(facts))
    _put_in_place(making, target)
    return facts


def read_marker(folder: Path) -> Merged | None:
    """The facts of a complete merged model whose weights are still those that were made; else None."""
    try:
        made = Merged(**checkpoints.read_object(folder / MARKER))
        return made if made.result_sha256 == weights.digest(folder) else None
    except (OSError, TypeError):
        return None


def _local_folder(model: str) -> Path:
    if Path(model).is_dir():
        return Path(model)
    from huggingface_hub import snapshot_download

    folder = Path(snapshot_download(model, allow_patterns=[*_HUB_FILES, "*.safetensors"]))
    if not any(folder.glob("*.safetensors")):
        # Older models have these alone; transformers reads them with `weights_only`, which runs nothing in them.
        folder = Path(snapshot_download(model, allow_patterns=[*_HUB_FILES, _PICKLED]))
    return folder


def _refuse_writing_into(base_dir: Path, target: Path) -> None:
    if target.resolve().is_relative_to(base_dir.resolve()):
        raise MergeError(f"the merged model would be written into its base, {base_dir}")


def _refuse_second_merge(base_dir: Path, adapter_sha256: str) -> None:
    """A base that this very adapter has made must not get it again: the update would count twice."""
    if checkpoints.read_object(base_dir / MARKER).get("adapter_sha256") == adapter_sha256:
        raise MergeError(f"{base_dir} already contains this adapter")


def _fold(base_dir: Path, adapter_dir: Path, making: Path) -> int:
    from workers.node.fold import FoldError, fold  # imports torch, which a merge that is already made need not

    try:
        return fold(base_dir, adapter_dir, making)
    except FoldError as error:
        raise MergeError(str(error)) from error


def _put_in_place(making: Path, target: Path) -> None:
    """Rename into place. What stood there moves aside first: at no moment is the target half of either."""
    for path in making.iterdir():
        _sync(path)
    _sync(making)
    replaced = target.with_name(_REPLACED)
    shutil.rmtree(replaced, ignore_errors=True)
    if target.exists():
        target.rename(replaced)
    making.rename(target)
    _sync(target.parent)
    shutil.rmtree(replaced, ignore_errors=True)


def _sync(path: Path) -> None:
    """Have the disk hold a file's contents or a folder's names before anything says so."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def main(arguments: Sequence[str]) -> int:
    """Merge the job in the folder `arguments[0]`; problems go to standard error."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # nothing to save halfway: a request to stop may simply end it
    processes.die_with_parent()
    try:
        job = read_job(Path(arguments[0]))
        assert job.merge is not None
        commands.offline_when_local(job.merge.base_model)
        merged = merge(job.merge, job.output_dir, SYSTEM_CLOCK)
    except (MergeError, JobError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    journal = Journal(job.job_dir / METRICS_FILE, SYSTEM_CLOCK)
    journal.write(
        "merged",
        path=str(job.output_dir / MERGED_FOLDER),
        base_sha256=merged.base_sha256,
        adapter_sha256=merged.adapter_sha256,
        result_sha256=merged.result_sha256,
        changed_tensors=merged.changed_tensors,
        seconds=merged.seconds,
    )
    journal.write("end", reason="completed")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
