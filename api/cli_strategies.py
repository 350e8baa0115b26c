"""The strategies in the terminal: a table of them, and all about one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from api.cli_figures import Json, facts, figure, plain_table


def find(strategies: Iterable[Any], word: str) -> Any:
    """The strategy of this name, letter or alias, as the service would find it; None for an unknown one."""
    folded = word.strip().lower().replace("-", "_").replace("+", "_").replace(" ", "_")
    return next((each for each in strategies if folded in {each["key"], *each["aliases"]}), None)


def strategies_table(strategies: Iterable[Json]) -> Table:
    table = plain_table("strategy", "title", "stages", "techniques", "parameters")
    for each in strategies:
        parameters = ", ".join(
            f"{one['name']}={one['default']}" for one in each["parameters"] if one["default"] is not None
        )
        table.add_row(
            each["key"],
            escape(each["title"]),
            kinds(each["stages"]),
            ", ".join(each["techniques"]) or "yours",
            escape(parameters),
        )
    return table


def kinds(stages: Iterable[Json]) -> str:
    """The kinds in order, a beginning that repeats itself counted: `3 x (train, merge), evaluate`."""
    names = [str(stage["kind"]) for stage in stages]
    for length in range(1, len(names) // 2 + 1):
        times = 1
        while names[times * length : (times + 1) * length] == names[:length]:
            times += 1
        if times > 1:
            return ", ".join((f"{times} x ({', '.join(names[:length])})", *names[times * length :]))
    return ", ".join(names)


def strategy_details(strategy: Json, techniques: Iterable[Json]) -> RenderableType:
    """Stages, techniques with their papers, parameters with their ranges, and the recipes."""
    used = [each for each in techniques if each["key"] in strategy["techniques"] or not strategy["techniques"]]
    about = facts(
        (
            ("strategy", f"{strategy['key']}: {escape(strategy['title'])}"),
            ("does", escape(strategy["summary"])),
            ("claimed", escape(f'"{strategy["claim"]}"')),
            ("also called", ", ".join(strategy["aliases"]) or "-"),
        )
    )
    parts: list[RenderableType] = [about, *_part(_stages(strategy["stages"])), *_part(_techniques(used))]
    known = strategy["parameters"] or [one for each in used for one in each["parameters"]]
    parts += _part(_parameters(known))
    for title, recipe in _recipes(strategy["stages"]):
        parts += [Text(), Text(f"recipe of {title}", style="dim"),
                  facts((escape(key), escape(str(value))) for key, value in sorted(recipe.items()))]  # fmt: skip
    return Group(*parts)


def _part(table: Table) -> list[RenderableType]:
    return [Text(), table] if table.row_count else []


def _stages(stages: Iterable[Json]) -> Table:
    table = plain_table("#", "stage", "kind", "techniques")
    for number, stage in enumerate(stages, start=1):
        table.add_row(str(number), escape(stage["title"]), stage["kind"], ", ".join(stage["techniques"]))
    return table


def _techniques(techniques: Iterable[Json]) -> Table:
    table = plain_table("technique", "does", "time", "paper", right=frozenset({"time"}))
    for each in techniques:
        table.add_row(each["key"], escape(each["summary"]), f"x {figure(each['cost']['time'], 3)}", each["paper"])
    return table


def _parameters(parameters: Iterable[Json]) -> Table:
    table = plain_table("parameter", "default", "range", "what", right=frozenset({"default"}))
    seen: set[str] = set()
    for each in parameters:
        if each["name"] not in seen:
            default = "follows" if each["default"] is None else str(each["default"])
            table.add_row(each["name"], default, each["range"], escape(each["summary"]))
            seen.add(each["name"])
    return table


def _recipes(stages: Iterable[Json]) -> Iterator[tuple[str, Json]]:
    """The recipe of each training; those that repeat the one before, such as ReLoRA's cycles, are told once."""
    before: Json | None = None
    for stage in stages:
        if stage["kind"] == "train" and stage["recipe"] != before:
            before = stage["recipe"]
            yield str(stage["title"]), stage["recipe"]
