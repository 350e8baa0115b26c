"""What every command does with the service: reach it, show what it says, and make exit codes of its refusals."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console, RenderableType
from rich.text import Text

from api.cli_client import Client, RefusedError, UnreachableError, find_url
from api.cli_views import show_problem
from orchestrator.settings import Settings

EXIT_REFUSED, EXIT_UNREACHABLE, EXIT_INTERRUPTED = 2, 3, 130

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
