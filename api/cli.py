"""The command line: an HTTP client of the API, and nothing that the API could not do.

Exit codes: 0 all is well, 1 a watched run ended badly or the diagnosis found something missing, 2 wrong usage or
refused by the service, 3 no service answers.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console, RenderableType
from rich.text import Text

from api.cli_client import Client, RefusedError, UnreachableError, find_url, inside, run_path
from api.cli_doctor import installed
from api.cli_options import (
    BudgetOption,
    DatasetOption,
    GpusOption,
    HeldoutOption,
    HoursOption,
    JsonOption,
    ModelOption,
    NameOption,
    NoticesOption,
    OverrideOption,
    OverridesOption,
    RunArgument,
    SeedOption,
    StrategyArgument,
    UrlOption,
    wish,
)
from api.cli_push import push_and_wait
from api.cli_views import checks_table, quote_details, run_details, runs_table, show_problem, strategies_table
from api.cli_watch import Watch, log_texts, summary
from orchestrator.settings import Settings

EXIT_BADLY, EXIT_REFUSED, EXIT_UNREACHABLE, EXIT_INTERRUPTED = 1, 2, 3, 130
BAD_OUTCOMES = frozenset({"failed", "cancelled"})

app = typer.Typer(
    name="latticeforge",
    help="Budget-aware fine-tuning: the best model that a sum of money buys, and not one cent more.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


@contextmanager
def service(url: str | None) -> Iterator[Client]:
    """The service's client. What it refuses is shown, and becomes the exit code."""
    settings = Settings()
    token = settings.api_token.get_secret_value() if settings.api_token else None
    try:
        with Client(find_url(url, settings.home.absolute()), token) as client:
            yield client
    except RefusedError as error:
        show_problem(err, {"title": str(error), **error.problem})
        raise typer.Exit(EXIT_REFUSED) from error
    except UnreachableError as error:
        err.print(Text(f"{error}. Is it started? `latticeforge up`"))
        raise typer.Exit(EXIT_UNREACHABLE) from error
    except KeyboardInterrupt:
        raise typer.Exit(EXIT_INTERRUPTED) from None


def show(document: Any, picture: RenderableType, as_json: bool) -> None:
    """The document for scripts, or the picture for people."""
    if as_json:
        typer.echo(json.dumps(document, indent=2))
    else:
        out.print(picture)


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
def run(
    strategy: StrategyArgument,
    budget: BudgetOption,
    model: ModelOption = None,
    dataset: DatasetOption = None,
    heldout: HeldoutOption = None,
    max_hours: HoursOption = None,
    gpus: GpusOption = None,
    seed: SeedOption = None,
    name: NameOption = None,
    override: OverrideOption = None,
    overrides_file: OverridesOption = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Show it until it ends.")] = False,
    notices: NoticesOption = False,
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Submit a run: the best fine-tune that the budget buys."""
    body = wish(
        strategy=strategy, budget=budget, model=model, dataset=dataset, heldout=heldout, max_hours=max_hours,
        gpus=gpus, seed=seed, name=name, override=override, overrides_file=overrides_file,
    )  # fmt: skip
    with service(url) as client:
        submitted = client.post("/runs", body)
        if watch:
            follow(client, submitted["id"], notices, as_json)
        else:
            show(submitted, run_details(submitted), as_json)


@app.command()
def quote(
    strategy: StrategyArgument,
    budget: BudgetOption,
    model: ModelOption = None,
    dataset: DatasetOption = None,
    heldout: HeldoutOption = None,
    max_hours: HoursOption = None,
    gpus: GpusOption = None,
    override: OverrideOption = None,
    overrides_file: OverridesOption = None,
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what a run would buy and cost. Starts and reserves nothing."""
    body = wish(
        strategy=strategy, budget=budget, model=model, dataset=dataset, heldout=heldout, max_hours=max_hours,
        gpus=gpus, override=override, overrides_file=overrides_file,
    )  # fmt: skip
    with service(url) as client:
        quoted = client.post("/quotes", body)
        show(quoted, quote_details(quoted), as_json)


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


@app.command()
def logs(
    run_id: RunArgument,
    follow_on: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run ends.")] = False,
    url: UrlOption = None,
) -> None:
    """Print what the trainer wrote."""
    with service(url) as client:
        for text in log_texts(client, run_id, follow=follow_on):
            typer.echo(text, nl=False)


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
def push(
    run_id: RunArgument,
    repo: Annotated[str, typer.Argument(metavar="OWNER/NAME", help="The repository; made if it is missing.")],
    public: Annotated[bool, typer.Option("--public", help="Make it public; private otherwise.")] = False,
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Push a run's result to the Hugging Face Hub, and wait until it is there."""
    with service(url) as client:
        document = push_and_wait(client, run_id, repo, public=public, say=lambda line: err.print(Text(line)))
        show(document, Text(document["published"]["url"] or ""), as_json)
        if document["published"]["status"] != "done":
            raise typer.Exit(EXIT_BADLY)


@app.command()
def strategies(url: UrlOption = None, as_json: JsonOption = False) -> None:
    """List the ways to train."""
    with service(url) as client:
        document = client.get("/strategies")
        show(document, strategies_table(document["strategies"]), as_json)


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
