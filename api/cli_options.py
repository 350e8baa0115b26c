"""The options that several commands share, and the body that they make."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

UrlOption = Annotated[
    str | None,
    typer.Option("--url", help="The service. Default: $LATTICEFORGE_URL, else the one that runs on this home."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the API's own document.")]
RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="A run's id, for example run_3f9c1a7be204.")]
StrategyArgument = Annotated[str, typer.Argument(metavar="STRATEGY", help="A name or letter; see `strategies`.")]
BudgetOption = Annotated[str, typer.Option("--budget", "-b", help="Dollars: never more than this is spent.")]
ModelOption = Annotated[str | None, typer.Option(help="A model folder or hub id.")]
DatasetOption = Annotated[
    str | None, typer.Option(help="A JSONL or Parquet file, an uploaded dataset's id or a hub id.")
]
HeldoutOption = Annotated[str | None, typer.Option(help="A file or uploaded dataset to evaluate on.")]
HoursOption = Annotated[float | None, typer.Option("--max-hours", help="The most machine time.")]
GpusOption = Annotated[int | None, typer.Option(help="How many accelerators.")]
SeedOption = Annotated[int | None, typer.Option(help="Decides split, order and initial weights.")]
NameOption = Annotated[str | None, typer.Option(help="Shown in lists.")]
OverrideOption = Annotated[
    list[str] | None, typer.Option("--override", "-o", metavar="KEY=VALUE", help="A trainer's key; JSON or text.")
]
OverridesOption = Annotated[
    Path | None, typer.Option("--overrides", exists=True, dir_okay=False, help="A JSON file of trainer's keys.")
]
NoticesOption = Annotated[bool, typer.Option("--notices", hidden=True, help="Show the lines of standard input too.")]

INPUTS = frozenset({"model", "dataset", "heldout"})


def wish(**wanted: Any) -> dict[str, Any]:
    """The body of a draft: what was given, overrides from the file first, then from the line."""
    overrides: dict[str, Any] = {}
    if (file := wanted.pop("overrides_file")) is not None:
        try:
            overrides.update(json.loads(file.read_text(encoding="utf-8")))
        except ValueError as error:
            raise typer.BadParameter(f"{file} is not a JSON object: {error}", param_hint="--overrides") from error
    for pair in wanted.pop("override") or ():
        key, equals, value = pair.partition("=")
        if not key or not equals:
            raise typer.BadParameter(f"{pair!r} is not KEY=VALUE", param_hint="--override")
        overrides[key] = _value(value)
    body = {name: _here(name, value) for name, value in wanted.items() if value is not None}
    return body | ({"overrides": overrides} if overrides else {})


def _here(name: str, value: Any) -> Any:
    """A model or dataset that is on this disk by its absolute path: the service runs in another folder."""
    if name not in INPUTS or not isinstance(value, str):
        return value
    path = Path(value).expanduser()
    return str(path.absolute()) if path.exists() else value


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
