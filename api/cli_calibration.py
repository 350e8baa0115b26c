"""The command that shows predicted against actual."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from api.cli_figures import Json, figure, plain_table
from api.cli_options import JsonOption, UrlOption
from api.cli_service import service, show

GIB = 1 << 30
QUANTITIES = {
    "seconds_per_step": "s/step",
    "peak_memory_bytes": "peak GiB",
    "startup_seconds": "start s",
    "stage_seconds": "stage s",
}


def calibration(
    limit: Annotated[int, typer.Option(min=1, max=200, help="Comparisons to show.")] = 20,
    after: Annotated[int | None, typer.Option(min=0, help="The `next` of the page before.")] = None,
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare what was predicted of every stage with what came of it."""
    with service(url) as client:
        document = client.get("/calibration", limit=limit, after=after)
        show(document, calibration_tables(document), as_json)


def calibration_tables(document: Json) -> RenderableType:
    """The cells with their corrections, the comparisons, and how often the interval held."""
    overall = document["overall"]
    if overall is None:
        return Text(document["note"])
    held = (
        f"{overall['observations']} comparisons: {_percent(overall['mean_absolute_error'])} off on average, "
        f"{_percent(overall['coverage'])} within an interval that is meant to hold 90 %"
    )
    parts: list[RenderableType] = [cells_table(document["cells"]), Text()]
    parts += [observations_table(document["observations"]), Text(), Text(held)]
    if document["next"] is not None:
        parts.append(Text(f"more with --after {document['next']}", style="dim"))
    return Group(*parts)


def cells_table(cells: Iterable[Json]) -> Table:
    columns = ("cell", "of", "stages", "off by", "bias", "within", "correction")
    table = plain_table(*columns, right=frozenset({"stages", "off by", "bias", "within"}))
    for cell in cells:
        accuracy, correction = cell["accuracy"], cell["correction"]
        table.add_row(
            escape(_cell(cell)),
            QUANTITIES[cell["quantity"]],
            str(accuracy["observations"]),
            _percent(accuracy["mean_absolute_error"]),
            f"{100 * accuracy['bias']:+.1f} %",
            _percent(accuracy["coverage"]),
            "-" if correction is None else _factor(correction),
        )
    return table


def observations_table(observations: Iterable[Json]) -> Table:
    columns = ("run", "stage", "model", "cell", "of", "predicted", "interval", "actual", "error")
    table = plain_table(*columns, right=frozenset({"stage", "predicted", "interval", "actual", "error"}))
    # An id that is cut short cannot be copied: when the terminal is narrow, names give way.
    table.columns[0].no_wrap = True
    for each in observations:
        low, middle, high, actual = (
            _value(each["quantity"], each[name]) for name in ("predicted_low", "predicted", "predicted_high", "actual")
        )
        table.add_row(
            each["run"],
            str(each["stage"]),
            escape(each["model"]),
            escape(f"{_cell(each)} x{each['gpu_count']}"),
            QUANTITIES[each["quantity"]],
            middle,
            f"{low} to {high}",
            actual,
            Text(f"{100 * each['error']:+.1f} %", style="" if each["within"] else "red"),
        )
    return table


def _cell(each: Json) -> str:
    return f"{each['framework']} {each['gpu']} {each['method']} {each['precision']}"


def _value(quantity: str, value: float) -> str:
    return figure(value / GIB if quantity == "peak_memory_bytes" else value, 3)


def _factor(correction: Json) -> str:
    return f"x {correction['factor']:.3f} ({correction['low']:.3f} to {correction['high']:.3f})"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
