"""Pushing a run's result to the Hugging Face Hub, and waiting until it is there."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Annotated

import typer
from rich.text import Text

from api.cli_client import Client, Json, run_path
from api.cli_options import JsonOption, RunArgument, UrlOption
from api.cli_service import err, service, show
from api.cli_submit import EXIT_BADLY

POLL_SECONDS = 1.0
PENDING = frozenset({"queued", "uploading"})


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


def push_and_wait(client: Client, run_id: str, repo: str, *, public: bool, say: Callable[[str], None]) -> Json:
    """The run's document once the push is over, however it ended; `say` gets a line whenever its state changes."""
    document = client.post(run_path(run_id, "/push"), {"repo": repo, "private": not public})
    said = ""
    while True:
        published = document["published"]
        line = f"{published['status']} {published['message']}".strip()
        if line != said:
            say(line)
            said = line
        if published["status"] not in PENDING:
            return document
        time.sleep(POLL_SECONDS)
        document = client.get(run_path(run_id))
