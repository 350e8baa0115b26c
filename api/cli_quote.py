"""The command that asks what a wish would buy, or many wishes side by side."""

from __future__ import annotations

from inspect import Parameter, signature
from typing import Annotated, Any

import typer

from api.cli_options import JsonOption, UrlOption, takes, wish
from api.cli_quote_views import quote_details, quotes_table
from api.cli_service import service, show
from orchestrator.services.quote import Where

StrategiesArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="[STRATEGY]...", help="Names or letters; see `strategies`. Several make a table."),
]
BudgetsOption = Annotated[list[str], typer.Option("--budget", "-b", help="Dollars: the cap. Several make a table.")]
CountsOption = Annotated[list[int] | None, typer.Option("--gpus", help="How many accelerators. Several make a table.")]
WhereOption = Annotated[
    Where | None, typer.Option(help="What is looked at. Default: clouds with --dataset-tokens, else here.")
]
TokensOption = Annotated[
    str | None,
    typer.Option(metavar="COUNT", help="In place of a dataset: the tokens of one pass over it, such as 20M."),
]
RowTokensOption = Annotated[
    str | None, typer.Option(metavar="COUNT", help="Beside --dataset-tokens: those of a row on average.")
]


def wishes(
    *,
    strategy: StrategiesArgument = None,
    budget: BudgetsOption,
    gpus: CountsOption = None,
    where: WhereOption = None,
    dataset_tokens: TokensOption = None,
    row_tokens: RowTokensOption = None,
    **one: Any,
) -> dict[str, Any]:
    """The body of a quote: a single wish, or lists as soon as anything was given more than once."""
    several: dict[str, list[Any]] = {"strategies": strategy or [], "budgets": budget, "gpu_counts": gpus or []}
    given = {"strategy": strategy, "budget": budget, "gpus": gpus}
    first: dict[str, Any] = {name: values[0] if values else None for name, values in given.items()}
    body = wish(**first, **one)
    if any(len(values) > 1 for values in several.values()):
        body = {name: value for name, value in body.items() if name not in first}
        body |= {name: values for name, values in several.items() if values}
    if where is None and dataset_tokens is not None:
        where = Where.CLOUDS
    told = {"where": where and where.value, "dataset_tokens": dataset_tokens, "row_tokens": row_tokens}
    return body | {name: value for name, value in told.items() if value is not None}


def _parameters() -> dict[str, Parameter]:
    """Those of a wish, with the ones of a quote in their place or after them."""
    own = signature(wishes, eval_str=True).parameters
    single = signature(wish, eval_str=True).parameters
    return {**single, **{name: each for name, each in own.items() if each.kind is Parameter.KEYWORD_ONLY}}


def _quote(body: dict[str, Any], url: UrlOption = None, as_json: JsonOption = False) -> None:
    """Say what a run would buy and cost; several strategies, budgets or counts make a table. Starts and reserves
    nothing."""
    with service(url) as client:
        quoted = client.post("/quotes", body)
        show(quoted, quotes_table(quoted) if "quotes" in quoted else quote_details(quoted), as_json)


_quote.__name__ = "quote"
quote = takes(wishes, _parameters(), _quote)
