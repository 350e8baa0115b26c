"""Files of rows, read row by row: every one is looked at, and never more than a few of them are held."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from orchestrator.adapters.inputs.lines import MOST_LINE_BYTES, Lines, numbered_lines
from orchestrator.adapters.inputs.permitted import is_regular_file
from orchestrator.adapters.inputs.rows import PROBLEM_OF, format_of
from orchestrator.adapters.inputs.turns import Row
from orchestrator.domain.errors import FieldProblem, InvalidInputError
from orchestrator.domain.formats import FORMATS, KNOWN_FORMATS

MOST_PROBLEMS = 20


@dataclass(frozen=True, slots=True)
class RowFile:
    """A file whose rows are all of one format."""

    path: Path
    format: str
    rows: int


class _RowError(Exception):
    """What is wrong with one line."""


def read_rows(path: Path, field: str, allowed: Collection[str] = tuple(FORMATS)) -> RowFile:
    """Count and check every row of `path`; blank lines are no rows.

    `InvalidInputError` naming `field:<line>` for each of the first `MOST_PROBLEMS` bad rows, and `field` for what is
    wrong with the file: no file, empty, or no text. Rows of a format that is not `allowed` are bad ones.
    """
    check = _RowCheck(allowed)
    try:
        if not is_regular_file(path):
            raise InvalidInputError.of(field, "is not a file; name a file of JSON lines or Parquet")
        with closing(numbered_lines(path, field)) as lines:
            problems = list(islice(_problems(lines, field, check), MOST_PROBLEMS))
    except OSError as error:
        raise InvalidInputError.of(field, f"cannot be read: {error.strerror}") from error
    if problems:
        raise InvalidInputError(problems)
    if check.format is None or check.rows == 0:
        raise InvalidInputError.of(field, "has no rows")
    return RowFile(path, check.format, check.rows)


def _problems(lines: Lines, field: str, check: _RowCheck) -> Iterator[FieldProblem]:
    for number, line in lines:
        try:
            check.take(line)
        except _RowError as error:
            yield FieldProblem(f"{field}:{number}", str(error))


class _RowCheck:
    """Takes rows one after another; the first one with a known shape sets the format for all."""

    def __init__(self, allowed: Collection[str]) -> None:
        self.format: str | None = None
        self.rows = 0
        self._allowed = allowed

    def take(self, line: bytes) -> None:
        row = _row(line)
        if self.format is None:
            self.format = self._settled(row)
        problem = PROBLEM_OF[self.format](row)
        if problem is not None:
            other = format_of(row)
            mixed = other is not None and other != self.format
            raise _RowError(f"is {other}, while the rows before are {self.format}" if mixed else problem)
        self.rows += 1

    def _settled(self, row: Row) -> str:
        found = format_of(row)
        if found is None:
            keys = ", ".join(sorted(row))[:100]
            raise _RowError(f"has the keys {keys or 'none'}; known formats are {KNOWN_FORMATS}")
        if found not in self._allowed:
            raise _RowError(f"is {found}; what can be compared with the dataset is {' or '.join(self._allowed)}")
        return found


def _row(line: bytes) -> Row:
    if len(line) > MOST_LINE_BYTES:
        raise _RowError(f"is longer than {MOST_LINE_BYTES >> 20} MiB")
    if b"\0" in line:
        raise _RowError("holds NUL bytes")
    try:
        row = json.loads(line.decode())
    except UnicodeDecodeError as error:
        raise _RowError(f"is not UTF-8 (byte {error.start + 1} of the line)") from None
    except (ValueError, RecursionError) as error:
        raise _RowError(f"is not JSON: {str(error)[:100]}") from None
    if not isinstance(row, dict):
        raise _RowError("is not a JSON object")
    if b"\\ud" in line or b"\\uD" in line:
        _refuse_half_characters(row)
    return row


def _refuse_half_characters(row: Row) -> None:
    """An escaped surrogate without its pair is a string in JSON, and can be written to no file."""
    try:
        json.dumps(row, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise _RowError("holds half of a surrogate pair") from None
