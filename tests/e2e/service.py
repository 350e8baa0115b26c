"""A whole service in processes of its own, as `latticeforge up` starts it, with a handle on each of its parts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psutil

from workers.part import bound_command

T = TypeVar("T")

START_SECONDS = 90.0
PARTS: Mapping[str, str] = {
    "redis": "valkey-server",
    "worker": "workers.app worker",
    "beat": "workers.app beat",
    "guard": "workers.guard",
    "api": "uvicorn",
}


def until(condition: Callable[[], T], patience_seconds: float, what: str) -> T:
    """The first true value of `condition`; an AssertionError naming `what` when the time is over."""
    give_up_at = time.monotonic() + patience_seconds
    while True:
        if value := condition():
            return value
        assert time.monotonic() < give_up_at, f"not within {patience_seconds} s: {what}"
        time.sleep(0.05)


class WholeService:
    """`latticeforge up` on `home` and a free port. Its output is in `output`."""

    def __init__(self, home: Path, environment: Mapping[str, str] | None = None, *words: str) -> None:
        self.home = home
        self.output = home.parent / f"{home.name}.out"
        clean = {name: value for name, value in os.environ.items() if not name.startswith("LATTICEFORGE_")}
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                # Bound to this process, so that a test run that is killed leaves no service behind.
                bound_command((sys.executable, "-m", "workers.up", "--port", "0", *words)),
                env={**clean, "LATTICEFORGE_HOME": str(home), "LATTICEFORGE_LOCAL_GPUS": "0", **(environment or {})},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.url = until(self._announced, START_SECONDS, "the service's address")
        self.http = httpx.Client(base_url=self.url, timeout=30.0, trust_env=False)

    def _announced(self) -> str:
        assert self.process.poll() is None, self.said()
        try:
            service = json.loads((self.home / "service.json").read_text())
        except OSError:
            return ""
        return str(service["url"]) if service["pid"] == self.process.pid else ""

    def said(self) -> str:
        """What the supervisor printed up to now."""
        return self.output.read_text(errors="replace")

    @property
    def pids(self) -> dict[str, int]:
        """The living parts and their process ids."""
        found: dict[str, int] = {}
        for child in self._children():
            try:
                line = " ".join(child.cmdline())
            except psutil.Error:
                continue
            found.update({part: child.pid for part, mark in PARTS.items() if mark in line and "bound.py" not in line})
        return found

    def _children(self) -> list[psutil.Process]:
        try:
            return psutil.Process(self.process.pid).children()
        except psutil.NoSuchProcess:
            return []

    def kill(self, part: str, number: signal.Signals = signal.SIGKILL) -> int:
        """Signal one part, SIGKILL by default; returns the process id that it had."""
        pid = self.pids[part]
        os.kill(pid, number)
        return pid

    def await_restart(self, part: str, old_pid: int, patience_seconds: float = 60.0) -> int:
        """The part's new process id."""
        return until(
            lambda: (pid := self.pids.get(part, 0)) != old_pid and pid, patience_seconds, f"{part} starts again"
        )

    def checks(self) -> dict[str, dict[str, Any]]:
        """The service's own diagnosis, by name; empty while the API does not answer."""
        try:
            return {check["name"]: check for check in self.http.get("/readyz").json()["checks"]}
        except httpx.TransportError:
            return {}

    def await_alive(self, *names: str, patience_seconds: float = 90.0) -> None:
        """Wait until the diagnosis finds nothing wrong with `names`."""
        wanted = names or ("database", "worker", "beat", "guard")

        def all_well() -> bool:
            checks = self.checks()
            return all(name in checks and checks[name]["ok"] for name in wanted)

        until(all_well, patience_seconds, f"{wanted} are well; {self.said()}")

    def submit(self, **wish: Any) -> str:
        """The id of a new run."""
        answer = self.http.post("/runs", json={"strategy": "dora_neftune", "budget": 50, **wish})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def run(self, run_id: str) -> dict[str, Any]:
        """The run's document."""
        answer = self.http.get(f"/runs/{run_id}")
        assert answer.status_code == 200, answer.text
        document: dict[str, Any] = answer.json()
        return document

    def await_end(self, run_id: str, patience_seconds: float) -> dict[str, Any]:
        """The run's document once it has ended."""

        def ended() -> dict[str, Any] | None:
            try:
                document = self.run(run_id)
            except httpx.TransportError:
                return None
            return document if document["status"] == "ended" else None

        document = until(ended, patience_seconds, f"{run_id} ends")
        assert document is not None
        return document

    def marked(self) -> list[psutil.Process]:
        """Every process that belongs to this home's machines, wherever in the tree it is."""
        found = []
        for process in psutil.process_iter():
            try:
                environment = process.environ()
            except psutil.Error:
                continue
            if "LATTICEFORGE_LEASE_ID" in environment and environment.get("LATTICEFORGE_HOME") == str(self.home):
                found.append(process)
        return found

    def stop(self, number: signal.Signals = signal.SIGTERM, patience_seconds: float = 30.0) -> int:
        """End it in order; returns its exit code."""
        self.http.close()
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(patience_seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
