"""Writes the rows of the Parquet file on standard input to standard output, each as a line of JSON.

A program, started by `parquet.py`; it imports the standard library and pyarrow only. What the file says of itself is
looked at before a page of it is unpacked; what it does not say honestly meets the limit on this process's memory.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from collections.abc import Iterator
from typing import Any

MOST_MEMORY_BYTES = 2 << 30
"""Address space of this process. Pages are unpacked one at a time, and honest ones have a few MiB."""
MOST_CPU_SECONDS = 120
GRACE_SECONDS = 5
"""Between the signal that tells why and the one that nothing survives."""
MOST_ROWS = 2_000_000
"""A row costs tens of microseconds, however little it holds: millions of equal ones fit into a few KiB."""
MOST_EXPANDED_BYTES = 1 << 30
"""Of the columns that are read, unpacked, and of the lines that are made of them: as large as an upload of lines."""
MOST_CELL_BYTES = 1 << 20
"""As long as a line of JSON may be."""
MOST_COLUMNS = 10_000
BATCH_ROWS = 32
BUFFER_BYTES = 1 << 20
COLUMNS = frozenset({"instruction", "input", "output", "messages", "text", "chosen", "rejected", "prompt"})
NOT_UTF8 = b'"\xff"\n'
"""Stands for a row whose texts cannot be decoded: a line that cannot be decoded either."""

TOO_LONG = b"-" * (MOST_CELL_BYTES + 1) + b"\n"
"""Stands for a row of more bytes than a line may have."""


class RefusedError(Exception):
    """Why the file is not read."""


def write_rows() -> None:
    """All rows, in order. `RefusedError`, or whatever pyarrow raises for a file that is broken."""
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(
        pyarrow.OSFile("/dev/stdin"),
        buffer_size=BUFFER_BYTES,
        pre_buffer=False,
        thrift_string_size_limit=64 << 20,
        thrift_container_size_limit=1 << 20,
    ) as file:
        _refuse_many(file.metadata.num_rows)
        names = columns_of(file.metadata)
        rows = written = 0
        for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=names, use_threads=False):
            # What a footer says of the rows need not be true.
            rows += batch.num_rows
            _refuse_many(rows)
            for line in lines_of(batch):
                written += len(line)
                if written > MOST_EXPANDED_BYTES:
                    raise RefusedError(_expands("to more than", MOST_EXPANDED_BYTES))
                sys.stdout.buffer.write(line)


def _refuse_many(rows: int) -> None:
    if rows > MOST_ROWS:
        raise RefusedError(f"has {rows} rows; {MOST_ROWS} are the most")


def columns_of(metadata: Any) -> list[str]:
    """The columns to read. `RefusedError` for none, and for what the footer itself says to be beyond all measure."""
    if metadata.num_columns > MOST_COLUMNS:
        raise RefusedError(f"has {metadata.num_columns} columns")
    found = list(
        dict.fromkeys(metadata.schema.column(index).path.split(".")[0] for index in range(metadata.num_columns))
    )
    names = [name for name in found if name in COLUMNS]
    if not names:
        raise RefusedError(
            f"has the columns {', '.join(found)[:200] or 'none'}; none of them belongs to a known format"
        )
    total = 0
    for group in map(metadata.row_group, range(metadata.num_row_groups)):
        for column in map(group.column, range(group.num_columns)):
            if column.path_in_schema.split(".")[0] in names:
                _refuse_wide(column)
                total += column.total_uncompressed_size
    if total > MOST_EXPANDED_BYTES:
        raise RefusedError(_expands("to", total))
    return names


def _refuse_wide(column: Any) -> None:
    size, values = column.total_uncompressed_size, max(column.num_values, 1)
    if size // values > MOST_CELL_BYTES:
        raise RefusedError(
            f"expands beyond what is read: {column.path_in_schema} holds {column.total_compressed_size} bytes that "
            f"become {size} in {values} values, and a row may have {MOST_CELL_BYTES >> 20} MiB"
        )


def lines_of(batch: Any) -> Iterator[bytes]:
    """One line for each row. Null is how Parquet says that a key is not there.

    A row that could not be a line of JSON is answered for by one that is refused for the same reason.
    """
    for index in range(batch.num_rows):
        one = batch.slice(index, 1)
        if one.nbytes > MOST_CELL_BYTES:
            yield TOO_LONG
            continue
        try:
            [row] = one.to_pylist()
        except UnicodeDecodeError:
            yield NOT_UTF8
            continue
        text = json.dumps(_without_nulls(row), ensure_ascii=False, default=_no_text)
        yield text.encode(errors="replace") + b"\n"


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(item) for name, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def _no_text(value: object) -> list[str]:
    """What JSON cannot carry, bytes or times, as something that is no text either."""
    return [type(value).__name__]


def _expands(how: str, size: int) -> str:
    return f"expands {how} {size >> 20} MiB; {MOST_EXPANDED_BYTES >> 20} MiB are the most"


def main() -> int:
    """0 when all rows were written, 1 with the reason on standard error when they were not."""
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY_BYTES, MOST_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (MOST_CPU_SECONDS, MOST_CPU_SECONDS + GRACE_SECONDS))
    # Arrow's own allocators reserve address space in advance, which is what is limited here.
    os.environ.update(ARROW_DEFAULT_MEMORY_POOL="system", OMP_NUM_THREADS="1")
    try:
        write_rows()
        sys.stdout.buffer.flush()
    except RefusedError as error:
        complaint = str(error)
    except MemoryError:
        complaint = f"expands beyond the {MOST_MEMORY_BYTES >> 20} MiB of memory that reading it may take"
    except BrokenPipeError:
        return 2  # whoever asked has seen enough
    except Exception as error:  # noqa: BLE001 - of its many ways to be broken, each is told in pyarrow's words
        complaint = f"is no Parquet file that can be read: {' '.join(str(error).split())[:300]}"
    else:
        return 0
    sys.stderr.write(complaint)
    return 1


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    os._exit(code)
