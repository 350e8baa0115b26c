"""How figures are written in the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import RenderableType
from rich.table import Table

Json = Mapping[str, Any]


def dollars(amount: object, places: int = 4) -> str:
    """An exact amount, shortened for the eye; the exact one is in `--json`."""
    return f"${float(str(amount)):.{places}f}"


def duration(seconds: float | None) -> str:
    """`90` -> `1:30`; a dash for unknown."""
    if seconds is None:
        return "-"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def facts(rows: Iterable[tuple[str, RenderableType]]) -> Table:
    """Names on the left, values on the right."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(name, value)
    return table


def brief(amount: object) -> str:
    """An amount in cents from one dollar up, to four places below."""
    return dollars(amount, 2 if abs(float(str(amount))) >= 1 else 4)


def numbers_table(*columns: str, right: frozenset[str]) -> Table:
    """A plain table whose numbers are never broken: where the terminal is narrow, the words give way."""
    table = plain_table(*columns, right=right)
    for column in table.columns:
        column.no_wrap = column.justify == "right"
    return table


def plain_table(*columns: str, right: frozenset[str] = frozenset()) -> Table:
    """A table without lines; the columns in `right` hold numbers."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    return table


def figure(value: object, places: int = 4) -> str:
    """A number to so many significant digits; a dash for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "-"
    return f"{value:.{places}g}"
