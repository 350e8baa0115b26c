"""Which harness tasks a folder may define, as far as its text tells: YAML is read on the node only."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from orchestrator.adapters.inputs.permitted import is_regular_file
from orchestrator.domain.errors import FieldProblem, InvalidInputError

TASK_FOLDER = "harness.include_path"
MOST_FILES = 1000
MOST_FILE_BYTES = 256 << 10
"""As on the node."""
_SUFFIXES = (".yaml", ".yml")
_WORD = re.compile(rb"[A-Za-z0-9_.-]+")


def refuse_lacking_tasks(folder: Path, names: Sequence[str]) -> None:
    """`InvalidInputError` for a folder without YAML, or one in whose files a task's name is not to be found."""
    words: set[bytes] = set()
    count = 0
    for path in _files(folder):
        count += path.suffix in _SUFFIXES
        if count > MOST_FILES:
            raise InvalidInputError.of(TASK_FOLDER, f"holds more than {MOST_FILES} YAML files")
        words.update(_WORD.findall(_start(path)))
    if count == 0:
        raise InvalidInputError.of(TASK_FOLDER, "holds no .yaml or .yml file")
    lacking = [name for name in names if name.encode() not in words]
    if lacking:
        message = f"are not defined in harness.include_path: {', '.join(lacking)[:200]}"
        raise InvalidInputError([FieldProblem("harness.tasks", message)])


def _files(folder: Path) -> Iterator[Path]:
    """The YAML files, and those without a suffix: it is what tasks include by custom."""
    for place, _, names in os.walk(folder):
        for name in names:
            if Path(name).suffix in (*_SUFFIXES, ""):
                yield Path(place) / name


def _start(path: Path) -> bytes:
    try:
        if not is_regular_file(path):
            return b""
        with path.open("rb") as stream:
            return stream.read(MOST_FILE_BYTES)
    except OSError:
        return b""
