"""Rows in, `train.jsonl` and `heldout.jsonl` out: the same split on every attempt and stage of a run.

Pairs also make `train_chosen.jsonl`, for the supervised stage that goes before the one on preferences.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from workers.node import checkpoints
from workers.node.clock import SYSTEM_CLOCK
from workers.node.job import METRICS_FILE, DatasetTask, Format, JobError, read_job
from workers.node.journal import Journal
from workers.node.pairs import chosen_row, is_pairs, preference_row
from workers.node.questions import without_questions_of
from workers.node.rows import Row
from workers.node.sources import DataError, read_rows

TRAIN_FILE = "train.jsonl"
CHOSEN_FILE = "train_chosen.jsonl"
HELDOUT_FILE = "heldout.jsonl"
MANIFEST_FILE = "manifest.json"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What was prepared. `sha256` is over the bytes of all files, in the order train, chosen (for pairs), held out."""

    train_rows: int
    heldout_rows: int
    sha256: str


def prepare(dataset: DatasetTask, data_dir: Path, seed: int) -> Manifest:
    """Write the files, and the manifest last; when the manifest is there and true, nothing is done again.

    Raises DataError for rows of the wrong shape or too few of them, OSError when a file cannot be read or written.
    """
    done = _prepared(data_dir, dataset.format)
    if done is not None:
        return done
    data_dir.mkdir(parents=True, exist_ok=True)
    train, heldout = _parts(dataset, seed)
    if is_pairs(dataset.format):
        _write_rows(data_dir / TRAIN_FILE, (preference_row(row, dataset.format) for row in train))
        _write_rows(data_dir / CHOSEN_FILE, (chosen_row(row, dataset.format) for row in train))
    else:
        _write_rows(data_dir / TRAIN_FILE, train)
    _write_rows(data_dir / HELDOUT_FILE, heldout)
    manifest = Manifest(len(train), len(heldout), _digest(data_dir, dataset.format))
    checkpoints.write_atomically(
        data_dir / MANIFEST_FILE, {name: getattr(manifest, name) for name in Manifest.__slots__}
    )
    return manifest


def _parts(dataset: DatasetTask, seed: int) -> tuple[list[Row], list[Row]]:
    """Rows to train on, and rows to evaluate on, the latter with single answers whatever they were."""
    rows = read_rows(dataset.source, dataset.format)
    if dataset.spares is not None:
        rows = without_questions_of(rows, _parts(dataset.spares, seed)[1])
        if not rows:
            raise DataError([f"every row of {dataset.source} asks what the run is evaluated on: none is left to train"])
    if dataset.heldout_source is None:
        train, heldout = split(rows, dataset.heldout_rows, seed)
        heldout_format = dataset.format
    else:
        heldout_format = dataset.heldout_format or dataset.format
        train, heldout = rows, read_rows(dataset.heldout_source, heldout_format)
    return train, [chosen_row(row, heldout_format) for row in heldout]


def split(rows: Sequence[Row], heldout_rows: int, seed: int) -> tuple[list[Row], list[Row]]:
    """Set `heldout_rows` rows aside, drawn by the seed; both parts keep the order of the source."""
    if heldout_rows >= len(rows):
        raise DataError([f"{len(rows)} rows leave none to train on when {heldout_rows} are held out"])
    chosen = set(random.Random(seed).sample(range(len(rows)), heldout_rows))  # noqa: S311 - a repeatable draw, no secret
    train = [row for index, row in enumerate(rows) if index not in chosen]
    return train, [rows[index] for index in sorted(chosen)]


def _prepared(data_dir: Path, row_format: Format) -> Manifest | None:
    try:
        recorded = json.loads((data_dir / MANIFEST_FILE).read_text(encoding="utf-8"))
        manifest = Manifest(**{name: recorded[name] for name in Manifest.__slots__})
        return manifest if manifest.sha256 == _digest(data_dir, row_format) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write_rows(path: Path, rows: Iterable[Row]) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("w", encoding="utf-8") as stream:
        stream.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    temporary.replace(path)


def _digest(data_dir: Path, row_format: Format) -> str:
    digest = hashlib.sha256()
    names = (TRAIN_FILE, CHOSEN_FILE, HELDOUT_FILE) if is_pairs(row_format) else (TRAIN_FILE, HELDOUT_FILE)
    for name in names:
        with (data_dir / name).open("rb") as stream:
            while chunk := stream.read(1 << 20):
                digest.update(chunk)
    return digest.hexdigest()


def main(arguments: Sequence[str]) -> int:
    """Prepare the job in the folder `arguments[0]`; problems go to standard error, one a line."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # nothing to save here: a request to stop may simply end it
    try:
        job = read_job(Path(arguments[0]))
        manifest = prepare(job.dataset, job.data_dir, job.seed)
    except (DataError, JobError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    journal = Journal(job.job_dir / METRICS_FILE, SYSTEM_CLOCK)
    journal.write("prepared", train_rows=manifest.train_rows, heldout_rows=manifest.heldout_rows)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
