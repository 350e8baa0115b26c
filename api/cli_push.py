"""Waiting for a result to arrive on the hub."""

from __future__ import annotations

import time
from collections.abc import Callable

from api.cli_client import Client, Json, run_path

POLL_SECONDS = 1.0
PENDING = frozenset({"queued", "uploading"})


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
