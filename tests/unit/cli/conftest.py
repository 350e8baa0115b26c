"""The command line against the real API, in process, on the memory adapters behind a real uvicorn."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from click.testing import Result
from typer.testing import CliRunner

from api.app import create_app
from api.cli import app
from tests.unit.api.serving import Service, make_service


@dataclass(frozen=True, slots=True)
class CommandLine:
    """`latticeforge` with the address of a service in its environment."""

    service: Service
    environment: dict[str, str | None]

    def __call__(self, *words: str) -> Result:
        result: Any = CliRunner().invoke(app, list(words), env=self.environment)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result  # type: ignore[no-any-return]


@pytest.fixture
def cli(tmp_path: Path) -> Iterator[CommandLine]:
    service = make_service(tmp_path)
    server = uvicorn.Server(
        uvicorn.Config(create_app(service.application), host="127.0.0.1", port=0, log_level="warning", ws="none")
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        deadline = time.monotonic() + 30
        while not server.started:
            assert time.monotonic() < deadline, "uvicorn did not start"
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield CommandLine(service, environment(tmp_path, f"http://127.0.0.1:{port}"))
    finally:
        server.should_exit = True
        thread.join(30)


def environment(home: Path, url: str | None) -> dict[str, str | None]:
    """What the command line reads; None takes a variable away."""
    return {"LATTICEFORGE_URL": url, "LATTICEFORGE_HOME": str(home), "LATTICEFORGE_API_TOKEN": None, "COLUMNS": "200"}
