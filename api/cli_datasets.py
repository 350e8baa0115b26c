"""Commands about uploaded datasets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from api.cli_options import JsonOption, UrlOption
from api.cli_service import service, show

LINES, PARQUET = "application/x-ndjson", "application/vnd.apache.parquet"


def upload(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="JSON lines or Parquet.")],
    name: Annotated[str | None, typer.Option(help="Shown in lists; default: the file's name.")] = None,
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give the service a dataset; its id is what `--dataset` takes. The same file is kept once."""
    media_type = PARQUET if file.suffix == ".parquet" else LINES
    with service(url) as client:
        kept = client.upload("/datasets", file, media_type, name=file.name[:120] if name is None else name)
        show(kept, datasets_table([kept]), as_json)


def datasets(url: UrlOption = None, as_json: JsonOption = False) -> None:
    """List the uploaded datasets, newest first."""
    with service(url) as client:
        document = client.get("/datasets")
        show(document, datasets_table(document["datasets"]), as_json)


def datasets_table(found: Iterable[Mapping[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    # An id that is cut short cannot be copied: when the terminal is narrow, names give way.
    table.add_column("dataset", no_wrap=True, min_width=19)
    table.add_column("name", no_wrap=True, overflow="ellipsis")
    table.add_column("format", no_wrap=True)
    table.add_column("rows", no_wrap=True, justify="right")
    table.add_column("bytes", no_wrap=True, justify="right")
    for each in found:
        table.add_row(each["id"], escape(each["name"]), each["format"], f"{each['rows']:,}", f"{each['bytes']:,}")
    return table
