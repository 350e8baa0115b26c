"""Rows as lines of JSON, whatever file they lie in: one at a time, with their numbers, in bounded memory."""

from __future__ import annotations

import codecs
from collections.abc import Generator
from pathlib import Path
from typing import IO

from orchestrator.adapters.inputs.parquet import opened_parquet
from orchestrator.domain.errors import InvalidInputError

MOST_LINE_BYTES = 1 << 20
BUFFER_BYTES = 1 << 18
"""With Python's own 8 KiB, passing over a line of gigabytes takes ten times as long."""
PARQUET_MAGIC = b"PAR1"
PARQUET_SUFFIX = ".parquet"
_UNREADABLE = {
    b"PK\x03\x04": "a zip archive",
    b"PK\x05\x06": "a zip archive",
    b"PK\x07\x08": "a zip archive",
    b"\x1f\x8b": "a gzip archive",
    b"\x28\xb5\x2f\xfd": "a zstd archive",
    b"BZh": "a bzip2 archive",
    b"\xfd7zXZ\0": "an xz archive",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"\x04\x22\x4d\x18": "an lz4 archive",
    b"ARROW1": "an Arrow file",
    b"PARE": "an encrypted Parquet file",
}
"""By first bytes: what is refused without a look inside. An archive may expand to more than any disk holds."""

Lines = Generator[tuple[int, bytes], None, None]


def numbered_lines(path: Path, field: str) -> Lines:
    """The lines of `path` that are not blank, with their numbers from 1; a row of Parquet is a line of JSON.

    A line that is longer than `MOST_LINE_BYTES` comes cut after one byte more. `InvalidInputError` naming `field` for
    a file whose lines are no rows at all. Close it when it is not read to its end: a process may be behind it.
    """
    with path.open("rb", buffering=BUFFER_BYTES) as stream:
        start = stream.read(8)
        if is_parquet(start):
            stream.seek(0)
            with opened_parquet(stream, field) as rows:
                yield from _json_lines(rows, field)
            return
        _refuse_other_files(path, start, field)
        stream.seek(len(codecs.BOM_UTF8) if start.startswith(codecs.BOM_UTF8) else 0)
        yield from _json_lines(stream, field)


def is_parquet(start: bytes) -> bool:
    """Whether a file with these first bytes is Parquet, whatever it is called."""
    return start.startswith(PARQUET_MAGIC)


def _refuse_other_files(path: Path, start: bytes, field: str) -> None:
    for magic, what in _UNREADABLE.items():
        if start.startswith(magic):
            raise InvalidInputError.of(field, f"is {what}; give the JSON lines or plain Parquet that it holds")
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise InvalidInputError.of(field, "is in UTF-16; save it as UTF-8")
    if path.suffix == PARQUET_SUFFIX:
        raise InvalidInputError.of(field, "is called .parquet and is no Parquet file")


def _json_lines(stream: IO[bytes], field: str) -> Lines:
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
    while (rest := stream.readline(BUFFER_BYTES)) and not rest.endswith(b"\n"):
        pass
