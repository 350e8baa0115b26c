"""A quote in the terminal: enough to check its dollars by hand."""

from __future__ import annotations

from collections.abc import Iterator

from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from api.cli_figures import Json, brief, dollars, duration, facts, figure, numbers_table, plain_table
from api.cli_quote_choices import by_gpus_table, front_table, machine, refusals_told
from api.figures import count

GIB = 1 << 30
SECONDS_PER_HOUR = 3600
HEADED = frozenset({"p50", "p90", "worst", "$ p50", "$ p90", "$ worst"})


def quote_details(quote: Json) -> RenderableType:
    """The plan, what it is made of, what else there was, and what it rests on."""
    parts = [_summary(quote), _stages(quote["plan"]), _items(quote["plan"]), *_trainings(quote["plan"])]
    choices = [table for table in (front_table(quote), by_gpus_table(quote)) if table is not None]
    parts += [Columns(choices, padding=(0, 4))] if choices else []
    parts += refusals_told(quote)
    return Group(*_apart([*parts, _assumptions(quote["plan"])]))


def quotes_table(document: Json) -> RenderableType:
    """Many wishes, one a line."""
    right = frozenset({"budget", "p50", "p90", "$ p50", "$ p90", "trained"})
    table = numbers_table("strategy", "budget", "p50", "p90", "$ p50", "$ p90", "trained", "machine", right=right)
    for each in document["quotes"]:
        head = (escape(each["strategy"]), dollars(each["budget"], 2))
        figures = ["-"] * 5 if each["offer"] is None else _figures(each)
        table.add_row(*head, *figures, escape(_place(each)))
    table.columns[0].no_wrap = True
    return Group(Text(f"where: {document['where']}", style="dim"), table)


def _place(compared: Json) -> str:
    if compared["offer"] is not None:
        cut = f"; cut by the {compared['limit'].replace('_', ' ')}" if compared["limit"] else ""
        return machine(_offered(compared["offer"])) + cut
    asked = f" on {compared['gpus_asked']}" if compared["gpus_asked"] else ""
    cheapest = compared["cheapest"]
    why = compared["refusal"] if cheapest is None else f"{brief(cheapest)} is the least that trains"
    return f"none{asked}: {why}"


def _figures(compared: Json) -> list[str]:
    counted = "tokens" if compared["intended_tokens"] else "steps"
    times = [duration(compared[name] * SECONDS_PER_HOUR) for name in ("hours", "hours_p90")]
    costs = [brief(compared[name]) for name in ("dollars", "dollars_p90")]
    return [*times, *costs, f"{count(compared[f'planned_{counted}'])}/{count(compared[f'intended_{counted}'])}"]


def _apart(parts: list[RenderableType]) -> Iterator[RenderableType]:
    for index, part in enumerate(parts):
        if index:
            yield Text()
        yield part


def _summary(quote: Json) -> Table:
    plan = quote["plan"]
    seconds, cost, offer = plan["seconds"], plan["cost"], plan["offer"]
    limit = f", cut short by the {plan['limit'].replace('_', ' ')}" if plan["limit"] else ""
    tokens = f"{count(plan['planned_tokens'])} of {count(plan['intended_tokens'])} tokens; " * bool(
        plan["intended_tokens"]
    )
    quantum, least = duration(offer["billing_quantum_seconds"]), duration(offer["minimum_seconds"])
    return facts(
        [
            ("strategy", quote["strategy"]),
            ("model", f"{escape(quote['model'])} ({count(quote['model_parameters'] or 0) or '?'} parameters)"),
            ("dataset", f"{escape(quote['dataset']['source'])} ({quote['dataset']['rows'] or '?'} rows)"),
            ("machine", f"{escape(offer['id'])}: {escape(machine(_offered(offer)))}"),
            ("price", f"{dollars(plan['dollars_per_hour'], 6)} an hour, billed by {quantum}, at least {least}; "
                      f"{escape(offer['price_source'])}, {_age(quote)}"),
            ("trains", f"{tokens}{plan['planned_steps']} of {plan['intended_steps']} steps{limit}"),
            ("time", f"{duration(seconds['p50'])}, nine times in ten below {duration(seconds['p90'])}"),
            ("cost", f"{dollars(cost['p50'])}, nine times in ten below {dollars(cost['p90'])}"),
            ("never more than", dollars(cost["worst"])),
            *(("not yet", escape(obstacle)) for obstacle in quote["obstacles"]),
            *(("note", escape(note)) for note in quote["notes"]),
        ]
    )  # fmt: skip


def _offered(offer: Json) -> Json:
    return {**offer, "gpus": offer["accelerator_count"]}


def _age(quote: Json) -> str:
    days = quote["price_age_days"]
    told = "undated" if days is None else "read today" if days == 0 else f"read {days} days ago"
    return f"{told} (old)" if quote["price_is_old"] else told


def _stages(plan: Json) -> Table:
    """Seconds of p50 and worst add up to those of the lease; the bill rounds their sum up."""
    table = numbers_table("stage", "p50", "p90", "worst", "$ p50", "$ p90", "$ worst", right=HEADED)
    seconds, cost = plan["seconds"], plan["cost"]
    kinds = ("expected_seconds", "slow_seconds", "seconds")
    for stage in plan["stages"]:
        own = [stage[name] for name in kinds]
        table.add_row(_stage(stage), *map(duration, own), *(_at(plan, each) for each in own))
    rest = [max(seconds[of] - sum(stage[name] for stage in plan["stages"]), 0)
            for of, name in (("p50", kinds[0]), ("worst", kinds[2]))]  # fmt: skip
    table.add_row("around them", duration(rest[0]), "", duration(rest[1]), _at(plan, rest[0]), "", _at(plan, rest[1]))
    whole = [duration(seconds[of]) for of in ("p50", "p90", "worst")]
    table.add_row("all, as billed", *whole, *(brief(cost[of]) for of in ("p50", "p90", "worst")))
    return table


def _stage(stage: Json) -> str:
    title = escape(stage["title"])
    if not stage["intended_steps"]:
        return title
    pace = f" x {figure(stage['seconds_per_step'])} s" if stage["seconds_per_step"] else ""
    return f"{title}: {stage['planned_steps']}/{stage['intended_steps']} steps{pace}"


def _at(plan: Json, seconds: float) -> str:
    """The seconds at the machine's price."""
    return brief(float(plan["dollars_per_hour"]) * seconds / SECONDS_PER_HOUR)


def _items(plan: Json) -> Table:
    table = numbers_table("stretch of the lease", "p50 s", "p90 s", "from", right=frozenset({"p50 s", "p90 s"}))
    for item in plan["items"]:
        name = escape(item["name"].replace("_", " "))
        table.add_row(name, f"{item['p50']:.0f}", f"{item['p90']:.0f}", escape(item["formula"]))
    return table


def _trainings(plan: Json) -> list[RenderableType]:
    """Step and memory by their terms; trainings that are alike are told once."""
    shown: list[RenderableType] = []
    seen: list[Json] = []
    for stage in plan["stages"]:
        told = {name: stage[name] for name in ("layout", "step_terms", "memory", "speed_source")}
        if told in seen or not (stage["step_terms"] or stage["memory"]):
            continue
        seen.append(told)
        tables = [table for table in (_step(stage), _memory(stage)) if table is not None]
        shown.append(Group(Text(_layout(stage), style="bold"), Columns(tables, padding=(0, 4))))
    return shown


def _layout(stage: Json) -> str:
    cut = stage["layout"]
    if cut is None:
        return str(stage["title"])
    rows = f"{cut['devices']} x {cut['micro_batch_size']} x {cut['gradient_accumulation_steps']}"
    return (
        f"{stage['title']}: {cut['rows_per_step']} rows a step ({rows}), "
        f"checkpointing {cut['checkpointing']}, split {cut['sharding']}"
    )


def _step(stage: Json) -> Table | None:
    if not stage["step_terms"]:
        return None
    table = numbers_table("of a step", "s", "from", right=frozenset({"s"}))
    for term in stage["step_terms"]:
        table.add_row(escape(term["name"]), figure(term["value"], 3), escape(term["formula"]))
    table.add_row("a step", figure(stage["seconds_per_step"]), escape(stage["speed_source"]))
    return table


def _memory(stage: Json) -> Table | None:
    memory = stage["memory"]
    if memory is None:
        return None
    table = numbers_table("of a device's memory", "GiB", "from", right=frozenset({"GiB"}))
    for term in memory["terms"]:
        table.add_row(escape(term["name"]), f"{term['value'] / GIB:.2f}", escape(term["formula"]))
    table.add_row("peak, p50", f"{memory['p50'] / GIB:.2f}", "")
    table.add_row("peak, p95", f"{memory['p95'] / GIB:.2f}", f"of {memory['limit'] / GIB:.2f}: it decides the fit")
    return table


def _assumptions(plan: Json) -> Table:
    table = plain_table("assumption", "value", "from")
    for each in plan["assumptions"]:
        table.add_row(escape(each["name"]), escape(each["value"]), escape(each["source"]))
    return table
