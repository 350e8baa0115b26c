"""The command line: an HTTP client of the API, and nothing that the API could not do.

Exit codes: 0 all is well, 1 a watched run ended badly or the diagnosis found something missing, 2 wrong usage or
refused by the service, 3 no service answers.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from api.cli_calibration import calibration
from api.cli_client import inside, run_path
from api.cli_datasets import datasets, upload
from api.cli_doctor import installed
from api.cli_offers import offers, prices
from api.cli_options import JsonOption, RunArgument, UrlOption
from api.cli_push import push
from api.cli_quote import quote
from api.cli_service import EXIT_REFUSED, err, service, show
from api.cli_strategies import find, strategies_table, strategy_details
from api.cli_submit import EXIT_BADLY, run, watch
from api.cli_views import checks_table, run_details, runs_table
from orchestrator.settings import Settings

FOLLOW_SECONDS = 0.5

app = typer.Typer(
    name="latticeforge",
    help="Budget-aware fine-tuning: the best model that a sum of money buys, and not one cent more.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(run)
app.command()(quote)
app.command()(watch)
app.command()(upload)
app.command()(datasets)
app.command()(push)
app.command()(offers)
app.add_typer(prices, name="prices")
app.command()(calibration)


@app.command()
def up(
    demo: Annotated[bool, typer.Option("--demo", help="Run the demonstration and show it.")] = False,
    once: Annotated[bool, typer.Option("--once", help="End with the demonstration; 0 only if it completed.")] = False,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="0 takes any free one.")] = None,
) -> None:
    """Run the whole service in the foreground; Ctrl-C ends all of it."""
    words = [*(["--demo"] if demo else []), *(["--once"] if once else [])]
    words += [] if port is None else ["--port", str(port)]
    os.execv(sys.executable, [sys.executable, "-m", "workers.up", *words])  # noqa: S606 - it replaces this process


@app.command()
def runs(
    status: Annotated[str | None, typer.Option(help="Only those of this status.")] = None,
    strategy: Annotated[str | None, typer.Option(help="Only those of this strategy.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200)] = 20,
    after: Annotated[str | None, typer.Option(help="The last run of the page before.")] = None,
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the runs, newest first."""
    with service(url) as client:
        page = client.get("/runs", status=status, strategy=strategy, limit=limit, after=after)
        show(page, runs_table(page["runs"]), as_json)


@app.command("show")
def show_run(run_id: RunArgument, url: UrlOption = None, as_json: JsonOption = False) -> None:
    """Show where a run stands."""
    with service(url) as client:
        document = client.get(run_path(run_id))
        show(document, run_details(document), as_json)


@app.command()
def logs(
    run_id: RunArgument,
    follow_on: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run ends.")] = False,
    url: UrlOption = None,
) -> None:
    """Print what the trainer wrote."""
    with service(url) as client:
        offset = 0
        while True:
            # The status before the log: what an ended run's log holds then is all of it.
            ended = client.get(run_path(run_id))["status"] == "ended"
            piece = client.get(run_path(run_id, "/logs"), offset=offset)
            typer.echo(piece["text"], nl=False)
            went_on, offset = piece["next_offset"] > offset, piece["next_offset"]
            if not went_on and (ended or not follow_on):
                return
            if not went_on:
                time.sleep(FOLLOW_SECONDS)


@app.command()
def cancel(run_id: RunArgument, url: UrlOption = None, as_json: JsonOption = False) -> None:
    """Stop a run; its checkpoint is kept."""
    with service(url) as client:
        document = client.post(run_path(run_id, "/cancel"))
        show(document, run_details(document), as_json)


@app.command("top-up")
def top_up(
    run_id: RunArgument,
    amount: Annotated[str, typer.Argument(help="Dollars on top of the run's budget.")],
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give a run more money."""
    with service(url) as client:
        document = client.post(run_path(run_id, "/budget"), {"amount": amount})
        show(document, run_details(document), as_json)


@app.command()
def artifacts(
    run_id: RunArgument,
    result: Annotated[bool, typer.Option("--result", help="Only what is needed to use the result.")] = False,
    download: Annotated[Path | None, typer.Option(file_okay=False, help="Copy them all into this folder.")] = None,
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the files that a run left, or fetch them."""
    with service(url) as client:
        document = client.get(run_path(run_id, "/artifacts"), only="result" if result else None)
        listing = "\n".join(f"{each['size']:>12,}  {each['path']}" for each in document["artifacts"])
        show(document, Text(listing), as_json)
        if download is not None:
            for each in document["artifacts"]:
                client.download(each["href"], inside(download, each["path"]))
            err.print(Text(f"{len(document['artifacts'])} files in {download}"))


@app.command()
def strategies(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Say all about this one.")] = None,
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the ways to train, or say all about one of them."""
    with service(url) as client:
        document = client.get("/strategies")
    if name is None:
        show(document, strategies_table(document["strategies"]), as_json)
        return
    found = find(document["strategies"], name)
    if found is None:
        err.print(Text(f"No strategy {name!r}; known: {', '.join(each['key'] for each in document['strategies'])}"))
        raise typer.Exit(EXIT_REFUSED)
    show(found, strategy_details(found, document["techniques"]), as_json)


@app.command()
def doctor(url: UrlOption = None, as_json: JsonOption = False) -> None:
    """Say what is installed and what is reachable."""
    checks, code = installed(Settings()), 0
    try:
        with service(url) as client:
            found = client.readiness()["checks"]
            checks += [{"name": "service", "ok": True, "detail": client.url}, *found]
    except typer.Exit as stop:
        code = stop.exit_code
        checks.append({"name": "service", "ok": False, "detail": "gave no diagnosis"})
    show({"checks": checks}, checks_table(checks), as_json)
    if code == 0 and not all(check["ok"] for check in checks):
        code = EXIT_BADLY
    raise typer.Exit(code)


def main() -> None:
    """The `latticeforge` command."""
    app()


if __name__ == "__main__":
    main()
