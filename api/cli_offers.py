"""Commands about offers and their prices."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from api.cli_figures import Json, dollars, duration, facts, plain_table
from api.cli_options import JsonOption, UrlOption
from api.cli_service import EXIT_REFUSED, err, service, show
from api.cli_views import show_problem
from orchestrator.domain.errors import InvalidInputError, StorageError
from orchestrator.services.read_offers import Where
from orchestrator.settings import Settings

prices = typer.Typer(help="The prices of the clouds.", no_args_is_help=True)


def offers(
    accelerator: Annotated[str | None, typer.Option(help="Only this accelerator, such as H200.")] = None,
    provider: Annotated[str | None, typer.Option(help="Only this provider.")] = None,
    count: Annotated[int | None, typer.Option(min=1, help="Only machines with so many accelerators.")] = None,
    spot: Annotated[bool | None, typer.Option("--spot/--on-demand", help="Only these; default: both.")] = None,
    where: Annotated[Where, typer.Option(help="This machine, or the clouds, to compare.")] = Where.HERE,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 100,
    after: Annotated[str | None, typer.Option(help="The last offer of the page before.")] = None,
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the machines on offer and their prices."""
    with service(url) as client:
        page = client.get(
            "/offers", where=where.value, accelerator=accelerator, provider=provider, count=count,
            spot=None if spot is None else str(spot).lower(), limit=limit, after=after,
        )  # fmt: skip
        show(page, _page(page), as_json)


@prices.command()
def refresh(
    origin: Annotated[
        str | None, typer.Option("--from", help="A price list to take in: a file, or an address.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Read all prices anew, on the machine that holds the home. If anything is broken, the old ones stay."""
    # All the adapters come with it, and no other command needs them: a second of start.
    from orchestrator.bootstrap import refresh_prices

    try:
        found = refresh_prices(Settings(), origin)
    except InvalidInputError as error:
        problems = [{"field": each.field, "message": each.message} for each in error.problems]
        show_problem(err, {"title": "The prices were not refreshed; the old ones stay", "errors": problems})
        raise typer.Exit(EXIT_REFUSED) from None
    except StorageError as error:
        show_problem(err, {"title": "The prices were not refreshed; the old ones stay", "detail": str(error)})
        raise typer.Exit(EXIT_REFUSED) from None
    rows = [(name, str(number)) for name, number in found.by_source.items()]
    document = {"offers": found.offers, "by_source": dict(found.by_source), "remarks": list(found.remarks)}
    remarks = [("note", escape(each)) for each in found.remarks]
    show(document, facts([("offers", str(found.offers)), *rows, *remarks]), as_json)


def _page(page: Json) -> RenderableType:
    parts: list[RenderableType] = [_table(page["offers"])]
    if page["next"]:
        parts.append(Text(f"{page['total']} in all; the next page: --after {page['next']}", style="dim"))
    parts += [Text(f"note: {each}", style="dim") for each in page["remarks"]]
    return Group(*parts)


def _table(listed: Iterable[Json]) -> Table:
    table = plain_table(
        "provider", "region", "machine", "accelerators", "market", "$/h", "$/GPU/h", "billed by", "priced",
        right=frozenset({"$/h", "$/GPU/h"}),
    )  # fmt: skip
    for each in listed:
        table.add_row(
            escape(each["provider"]),
            escape(each["region"]),
            escape(each["instance_type"]),
            f"{each['accelerator_count']} x {each['accelerator']}",
            _market(each),
            dollars(each["dollars_per_hour"], 2),
            dollars(float(each["dollars_per_hour"]) / each["accelerator_count"], 2),
            duration(each["billing_quantum_seconds"]),
            _priced(each),
        )
    return table


def _market(offer: Json) -> str:
    kind = "spot" if offer["spot"] else "on demand"
    return kind if offer["firm"] else f"{kind}, from"


def _priced(offer: Json) -> Text:
    said = "undated" if offer["undated"] else str(offer["priced_on"])
    return Text(f"{said}, old" if offer["is_old"] and not offer["undated"] else said,
                style="yellow" if offer["is_old"] else "")  # fmt: skip
