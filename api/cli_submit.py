"""Commands that ask for a run: `run`, and `watch`, which shows one to its end."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer
from rich.text import Text

from api.cli_client import Client
from api.cli_options import JsonOption, NoticesOption, RunArgument, UrlOption, takes_a_wish
from api.cli_service import err, out, service, show
from api.cli_views import run_details
from api.cli_watch import Watch, summary

EXIT_BADLY = 1
BAD_OUTCOMES = frozenset({"failed", "cancelled"})


@takes_a_wish
def run(
    body: dict[str, Any],
    watched: Annotated[bool, typer.Option("--watch", "-w", help="Show it until it ends.")] = False,
    notices: NoticesOption = False,
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Submit a run: the best fine-tune that the budget buys."""
    with service(url) as client:
        submitted = client.post("/runs", body)
        if watched:
            follow(client, submitted["id"], notices, as_json)
        else:
            show(submitted, run_details(submitted), as_json)


def watch(
    run_id: RunArgument, notices: NoticesOption = False, url: UrlOption = None, as_json: JsonOption = False
) -> None:
    """Show a run live until it ends."""
    with service(url) as client:
        follow(client, run_id, notices, as_json)


def follow(client: Client, run_id: str, notices: bool, as_json: bool) -> None:
    """Show the run to its end; exit code 1 if that was a bad one."""
    screen = err if as_json else out
    screen.print(Text(f"{client.url}/r/{run_id}"))
    document = Watch(client, screen, sys.stdin if notices else None).follow(run_id)
    show(document, summary(document, client.url), as_json)
    if document["outcome"] in BAD_OUTCOMES:
        raise typer.Exit(EXIT_BADLY)
