"""Rows in, `train.jsonl` and `heldout.jsonl` out: the same split on every attempt and stage of a run.

Local JSON lines need the standard library only; a dataset on the hub needs `datasets`, imported when one is named.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workers.node import checkpoints
from workers.node.clock import SYSTEM_CLOCK
from workers.node.job import METRICS_FILE, DatasetTask, Format, JobError, read_job
from workers.node.journal import Journal

TRAIN_FILE = "train.jsonl"
HELDOUT_FILE = "heldout.jsonl"
MANIFEST_FILE = "manifest.json"
MAX_PROBLEMS = 20
ROLES = frozenset({"system", "user", "human", "assistant", "gpt", "tool"})
ANSWERING_ROLES = frozenset({"assistant", "gpt"})

Row = dict[str, Any]


class DataError(Exception):
    """Rows that cannot be trained on; each problem names its line, as `rows.jsonl:17: ...`."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(problems))


@dataclass(frozen=True, slots=True)
class Manifest:
    """What was prepared. `sha256` is over the bytes of train.jsonl followed by those of heldout.jsonl."""

    train_rows: int
    heldout_rows: int
    sha256: str


def prepare(dataset: DatasetTask, data_dir: Path, seed: int) -> Manifest:
    """Write both files, and the manifest last; when the manifest is there and true, nothing is done again.

    Raises DataError for rows of the wrong shape or too few of them, OSError when a file cannot be read or written.
    """
    done = _prepared(data_dir)
    if done is not None:
        return done
    data_dir.mkdir(parents=True, exist_ok=True)
    rows = read_rows(dataset.source, dataset.format)
    if dataset.heldout_source is not None:
        train, heldout = rows, read_rows(dataset.heldout_source, dataset.format)
    else:
        train, heldout = split(rows, dataset.heldout_rows, seed)
    _write_rows(data_dir / TRAIN_FILE, train)
    _write_rows(data_dir / HELDOUT_FILE, heldout)
    manifest = Manifest(len(train), len(heldout), _digest(data_dir))
    checkpoints.write_atomically(
        data_dir / MANIFEST_FILE, {name: getattr(manifest, name) for name in Manifest.__slots__}
    )
    return manifest


def split(rows: Sequence[Row], heldout_rows: int, seed: int) -> tuple[list[Row], list[Row]]:
    """Set `heldout_rows` rows aside, drawn by the seed; both parts keep the order of the source."""
    if heldout_rows >= len(rows):
        raise DataError([f"{len(rows)} rows leave none to train on when {heldout_rows} are held out"])
    chosen = set(random.Random(seed).sample(range(len(rows)), heldout_rows))  # noqa: S311 - a repeatable draw, no secret
    train = [row for index, row in enumerate(rows) if index not in chosen]
    return train, [rows[index] for index in sorted(chosen)]


def read_rows(source: str, row_format: Format) -> list[Row]:
    """All rows of a local file or a hub dataset's train split, reduced to the keys of their format."""
    if Path(source).is_absolute() or Path(source).exists():
        return _read_local(Path(source), row_format)
    return _checked(((f"{source}: row {number}", row) for number, row in enumerate(_hub_rows(source), 1)), row_format)


def _read_local(path: Path, row_format: Format) -> list[Row]:
    with path.open(encoding="utf-8-sig") as stream:
        return _checked(_parsed_lines(path.name, stream), row_format)


def _parsed_lines(name: str, lines: Iterable[str]) -> Iterator[tuple[str, object]]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            yield f"{name}:{number}", json.loads(line)
        except ValueError as error:
            yield f"{name}:{number}", ValueError(f"not JSON: {error}")


def _hub_rows(source: str) -> Iterable[object]:
    from datasets import load_dataset

    rows: Iterable[object] = load_dataset(source, split="train")
    return rows


def _checked(rows: Iterable[tuple[str, object]], row_format: Format) -> list[Row]:
    good: list[Row] = []
    problems: list[str] = []
    for place, row in rows:
        try:
            good.append(_SHAPES[row_format](_object(row)))
        except ValueError as error:
            problems.append(f"{place}: {error}")
            if len(problems) == MAX_PROBLEMS:
                break
    if problems:
        raise DataError(problems)
    if not good:
        raise DataError(["the dataset has no rows"])
    return good


def _object(row: object) -> Row:
    if isinstance(row, ValueError):
        raise row
    if not isinstance(row, dict):
        raise ValueError("not a JSON object")
    return row


def _alpaca(row: Row) -> Row:
    text = row.get("input")
    return {
        "instruction": _text(row, "instruction"),
        "input": "" if text is None else _string("input", text),
        "output": _text(row, "output"),
    }


def _completion(row: Row) -> Row:
    return {"text": _text(row, "text")}


def _messages(row: Row) -> Row:
    messages = row.get("messages")
    if not isinstance(messages, list) or not messages:
        raise ValueError("'messages' must be a list that is not empty")
    turns = [_message(index, message) for index, message in enumerate(messages)]
    if turns[-1]["role"] not in ANSWERING_ROLES:
        raise ValueError(f"the last message is from {turns[-1]['role']!r}: there is no answer to learn")
    return {"messages": turns}


def _message(index: int, message: object) -> Row:
    if not isinstance(message, dict):
        raise ValueError(f"messages[{index}] is not an object")
    unknown = sorted(set(message) - {"role", "content"})
    if (
        unknown
    ):  # weights, tool calls and the like would change what is trained; dropping them in silence would be wrong
        raise ValueError(f"messages[{index}] has keys other than role and content: {', '.join(unknown)}")
    if message.get("role") not in ROLES:
        raise ValueError(f"messages[{index}] has role {message.get('role')!r}")
    return {"role": message["role"], "content": _text(message, "content")}


_SHAPES: dict[Format, Callable[[Row], Row]] = {"alpaca": _alpaca, "messages": _messages, "completion": _completion}


def _text(row: Row, name: str) -> str:
    if name not in row:
        raise ValueError(f"{name!r} is missing")
    text = _string(name, row[name])
    if not text.strip():
        raise ValueError(f"{name!r} is empty")
    return text


def _string(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{name!r} is not a string")
    return value


def _prepared(data_dir: Path) -> Manifest | None:
    try:
        recorded = json.loads((data_dir / MANIFEST_FILE).read_text(encoding="utf-8"))
        manifest = Manifest(**{name: recorded[name] for name in Manifest.__slots__})
        return manifest if manifest.sha256 == _digest(data_dir) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write_rows(path: Path, rows: Iterable[Row]) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("w", encoding="utf-8") as stream:
        stream.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    temporary.replace(path)


def _digest(data_dir: Path) -> str:
    digest = hashlib.sha256()
    for name in (TRAIN_FILE, HELDOUT_FILE):
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
