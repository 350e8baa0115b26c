"""Parquet, read by a process of its own: what a stranger's file makes of the reader's memory stays in there."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from orchestrator.domain.errors import InvalidInputError

READER = Path(__file__).with_name("parquet_rows.py")
LONGEST_COMPLAINT = 500
PIPE_BYTES = 1 << 18


@contextmanager
def opened_parquet(stream: IO[bytes], field: str) -> Iterator[IO[bytes]]:
    """The rows of the Parquet file in `stream` as lines of JSON, one for each row.

    `InvalidInputError` naming `field` when the end is reached and the reader could not read it all: encrypted,
    corrupt, or expanding beyond what is sane. Left early, the reader is ended.
    """
    # Isolated: the reader knows the standard library and pyarrow, and takes nothing from our environment.
    reader = subprocess.Popen(
        [sys.executable, "-I", str(READER)],
        stdin=stream,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={},
        bufsize=PIPE_BYTES,
    )
    assert reader.stdout is not None
    assert reader.stderr is not None
    with reader.stdout, reader.stderr:
        try:
            yield reader.stdout
        except BaseException:
            reader.kill()
            reader.wait()
            raise
        complaint = reader.stderr.read().decode(errors="replace").strip()
        code = reader.wait()
    if code == 1 and complaint:
        raise InvalidInputError.of(field, complaint[:LONGEST_COMPLAINT])
    if code == -signal.SIGXCPU:
        raise InvalidInputError.of(field, "takes too long to read; give fewer rows, or smaller ones")
    if code != 0:
        raise InvalidInputError.of(field, f"cannot be read: the Parquet reader ended with {code} over it")
