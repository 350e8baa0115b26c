"""JSON-lines files, read line by line: every row is looked at, and never more than one of them is held."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO

from orchestrator.adapters.inputs.permitted import is_regular_file
from orchestrator.adapters.inputs.rows import PROBLEM_OF, Row, format_of, is_preference
from orchestrator.domain.errors import FieldProblem, InvalidInputError

MOST_LINE_BYTES = 1 << 20
MOST_PROBLEMS = 20
_LATER = "holds preference pairs (chosen, rejected): training on them (ORPO) comes later"
_FORMATS = "alpaca (instruction, output, optionally input), messages (role, content) and completion (text)"


@dataclass(frozen=True, slots=True)
class RowFile:
    """A file whose rows are all of one format."""

    path: Path
    format: str
    rows: int


class _RowError(Exception):
    """What is wrong with one line."""


def read_rows(path: Path, field: str, expected: str | None = None) -> RowFile:
    """Count and check every row of `path`; blank lines are no rows.

    `InvalidInputError` naming `field:<line>` for each of the first `MOST_PROBLEMS` bad rows, and `field` for what is
    wrong with the file: no file, empty, or not of the format `expected`.
    """
    check = _RowCheck(expected)
    try:
        if not is_regular_file(path):
            raise InvalidInputError.of(field, "is not a file; name a file of JSON lines")
        problems = list(islice(_problems(path, field, check), MOST_PROBLEMS))
    except OSError as error:
        raise InvalidInputError.of(field, f"cannot be read: {error.strerror}") from error
    if check.is_preference:
        raise InvalidInputError.of(field, _LATER)
    if problems:
        raise InvalidInputError(problems)
    if check.format is None or check.rows == 0:
        raise InvalidInputError.of(field, "has no rows")
    return RowFile(path, check.format, check.rows)


def _problems(path: Path, field: str, check: _RowCheck) -> Iterator[FieldProblem]:
    for number, line in _lines(path, field):
        try:
            check.take(line)
        except _RowError as error:
            yield FieldProblem(f"{field}:{number}", str(error))
        if check.is_preference:
            return


class _RowCheck:
    """Takes rows one after another; the first one with a known shape sets the format for all."""

    def __init__(self, expected: str | None) -> None:
        self.format = expected
        self.rows = 0
        self.is_preference = False

    def take(self, line: bytes) -> None:
        row = _row(line)
        if self.format is None:
            self._settle(row)
        if self.format is None:
            return
        problem = PROBLEM_OF[self.format](row)
        if problem is not None:
            other = format_of(row)
            mixed = other is not None and other != self.format
            raise _RowError(f"is {other}, while the rows before are {self.format}" if mixed else problem)
        self.rows += 1

    def _settle(self, row: Row) -> None:
        self.format = format_of(row)
        self.is_preference = is_preference(row)
        if self.is_preference:
            self.format = None
        elif self.format is None:
            keys = ", ".join(sorted(row))[:100]
            raise _RowError(f"has the keys {keys or 'none'}; known formats are {_FORMATS}")


def _lines(path: Path, field: str) -> Iterator[tuple[int, bytes]]:
    """The lines that are not blank, with their numbers. The file is in UTF-8, with or without its mark."""
    with path.open("rb") as stream:
        start = stream.read(4)
        if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise InvalidInputError.of(field, "is in UTF-16; save it as UTF-8")
        stream.seek(len(codecs.BOM_UTF8) if start.startswith(codecs.BOM_UTF8) else 0)
        number = 0
        while line := stream.readline(MOST_LINE_BYTES + 1):
            number += 1
            if number == 1 and line.strip() in {b"[", b"[{"}:
                raise InvalidInputError.of(field, "is one JSON array; write one object a line instead")
            if len(line) > MOST_LINE_BYTES and not line.endswith(b"\n"):
                _skip_line(stream)
            if not line.isspace():
                yield number, line


def _skip_line(stream: IO[bytes]) -> None:
    while (rest := stream.readline(MOST_LINE_BYTES)) and not rest.endswith(b"\n"):
        pass


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
