"""Server-sent events over a real uvicorn: live, resumed, kept open, and no hindrance to a stop."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import uvicorn

import api.events
from api.app import create_app
from orchestrator.bootstrap import migrate
from orchestrator.domain.ids import RunId
from orchestrator.domain.lifecycle import RunStatus
from orchestrator.settings import Settings
from tests.unit.api.serving import WISH, Service, make_inputs, make_service

PATIENCE = 30.0


@contextmanager
def serving(service: Service) -> Iterator[str]:
    """The address of a uvicorn in a thread of this process."""
    server = uvicorn.Server(
        uvicorn.Config(create_app(service.application), host="127.0.0.1", port=0, log_level="warning", ws="none")
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        deadline = time.monotonic() + PATIENCE
        while not server.started:
            assert time.monotonic() < deadline, "uvicorn did not start"
            time.sleep(0.02)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(PATIENCE)


def ids_and_names(response: httpx.Response) -> Iterator[tuple[int | None, str]]:
    """(id, event) of each event as it comes."""
    seq: int | None = None
    for line in response.iter_lines():
        if line.startswith("id: "):
            seq = int(line[4:])
        elif line.startswith("event: "):
            name = line[7:]
        elif line == "" and "name" in locals():
            yield seq, name
            seq = None


def test_a_watcher_that_loses_its_connection_misses_and_repeats_nothing(tmp_path: Path) -> None:
    service = make_service(tmp_path)
    with serving(service) as address, httpx.Client(base_url=address, timeout=PATIENCE) as client:
        run_id = client.post("/runs", json=WISH).json()["id"]
        ended = threading.Event()

        def live() -> None:
            while service.store.load(RunId(run_id)).run.status is not RunStatus.ENDED:
                service.tick(run_id)
                time.sleep(0.02)
            ended.set()

        worker = threading.Thread(target=live)
        worker.start()
        seen: list[int] = []
        names: list[str] = []
        # Each connection is dropped after a handful of events, in the middle of whatever the server does.
        for handful in itertools.cycle((1, 2, 5, 13)):
            headers = {"Last-Event-ID": str(seen[-1])} if seen else {}
            with client.stream("GET", f"/runs/{run_id}/events", headers=headers) as response:
                for seq, name in itertools.islice(ids_and_names(response), handful):
                    names.append(name)
                    if seq is not None:
                        seen.append(seq)
            if names[-1] == "end":
                break
        worker.join(PATIENCE)

    assert ended.is_set()
    assert seen == [stored.seq for stored in service.store.journal(RunId(run_id), 0, 10_000)]
    assert names.count("end") == 1


def test_a_quiet_stream_is_kept_open_by_comments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.events, "HEARTBEAT_SECONDS", 0.2)
    with serving(make_service(tmp_path)) as address, httpx.Client(base_url=address, timeout=PATIENCE) as client:
        run_id = client.post("/runs", json=WISH).json()["id"]
        with client.stream("GET", f"/runs/{run_id}/events") as response:
            comments = (line for line in response.iter_lines() if line.startswith(":"))
            assert list(itertools.islice(comments, 2)) == [": still here"] * 2


def test_the_service_stops_at_once_though_somebody_watches(tmp_path: Path) -> None:
    make_inputs(tmp_path)
    environment = {
        **os.environ,
        "LATTICEFORGE_HOME": str(tmp_path),
        "LATTICEFORGE_DEFAULT_MODEL": str(tmp_path / "model"),
        "LATTICEFORGE_DEFAULT_DATASET": str(tmp_path / "rows.jsonl"),
        "LATTICEFORGE_LOCAL_GPUS": "0",
    }
    migrate(Settings(home=tmp_path))
    command = [sys.executable, "-m", "uvicorn", "--factory", "api.app:make_app", "--port", "0", "--host", "127.0.0.1"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            started = next(line for line in process.stderr if "Uvicorn running on" in line)
            address = started.split("Uvicorn running on ")[1].split()[0]
            with httpx.Client(base_url=address, timeout=PATIENCE) as client:
                answer = client.post("/runs", json=WISH)
                assert answer.status_code == 201, answer.text
                with client.stream("GET", f"/runs/{answer.json()['id']}/events") as response:
                    assert next(ids_and_names(response))[1] == "status"
                    asked = time.monotonic()
                    process.send_signal(signal.SIGTERM)
                    process.wait(PATIENCE)
                    assert time.monotonic() - asked < 10
        finally:
            process.kill()
