"""What else a quote had to choose from, in the terminal."""

from __future__ import annotations

from rich.console import RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from api.cli_figures import Json, dollars, duration, numbers_table
from api.figures import count

MOST_REFUSALS = 6
SECONDS_PER_HOUR = 3600
RIGHT = frozenset({"time", "$", "$ more", "saves", "tokens"})


def machine(choice: Json) -> str:
    """`4 x H200, seeweb it-fr2, spot`."""
    return f"{choice['gpus']} x {choice['accelerator']}, {choice['provider']} {choice['region']}" + (
        ", spot" if choice["spot"] else ""
    )


def front_table(quote: Json) -> Table | None:
    """Plans that none beats in both; None when there is no choice."""
    if len(quote["front"]) < 2:
        return None
    table = numbers_table("dollars against hours", "time", "$", right=RIGHT)
    for each in quote["front"]:
        table.add_row(_named(quote, each), *_time_and_cost(each))
    return table


def by_gpus_table(quote: Json) -> Table | None:
    """What more accelerators cost and save; None when there is no choice."""
    if len(quote["by_gpus"]) < 2:
        return None
    table = numbers_table("best of its count", "time", "$", "$ more", "saves", "tokens", right=RIGHT)
    for each in quote["by_gpus"]:
        more = "" if each["extra_dollars"] is None else dollars(each["extra_dollars"], 2)
        saved = "" if each["saved_hours"] is None else _signed(each["saved_hours"] * SECONDS_PER_HOUR)
        table.add_row(_named(quote, each), *_time_and_cost(each), more, saved, count(each["tokens"]))
    return table


def refusals_told(quote: Json) -> list[RenderableType]:
    """Why the rest is no plan, in few lines."""
    refused = quote["refusals"]
    if not refused:
        return []
    table = numbers_table("no plan", "offers", "why", right=frozenset({"offers"}))
    for each in refused[:MOST_REFUSALS]:
        why = f"{each['reason']}; {each['nearest']}" if each["nearest"] else each["reason"]
        table.add_row(escape(f"{each['gpus']} x {each['accelerator']}"), str(each["offers"]), escape(why))
    rest = len(refused) - MOST_REFUSALS
    more = f"and {rest} kinds more, in --json; " if rest > 0 else ""
    return [table, Text(f"{more}{quote['offers_considered']} offers were looked at", style="dim")]


def _named(quote: Json, choice: Json) -> Text:
    chosen = choice["offer_id"] == quote["plan"]["offer"]["id"]
    return Text(machine(choice), style="bold" if chosen else "")


def _time_and_cost(choice: Json) -> tuple[str, str]:
    return duration(choice["hours"] * SECONDS_PER_HOUR), dollars(choice["dollars"], 2)


def _signed(seconds: float) -> str:
    return f"-{duration(-seconds)}" if seconds < 0 else duration(seconds)
