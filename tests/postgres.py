"""A throw-away PostgreSQL server from the system's packages: one a session, on a unix socket, gone at the end."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest

PROGRAMS = Path("/usr/lib/postgresql")
START_SECONDS = 30
SPEED = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "shared_buffers=32MB", "max_connections=100")
"""Nothing here outlives the tests, so nothing needs to survive a power cut."""


@dataclass
class PostgresServer:
    """A running server; `socket_dir` is where its socket is."""

    socket_dir: Path
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def url(self, database: str) -> str:
        return f"postgresql://tester@/{database}?host={self.socket_dir}"

    def create_database(self) -> str:
        """A new empty database's URL."""
        name = f"test_{next(self._numbers)}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
        return self.url(name)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """The session's server; skips where the programs are missing, or fails if LATTICEFORGE_TEST_REQUIRE=all."""
    programs = _find_programs()
    folder = Path(tempfile.mkdtemp(prefix="lf-postgres-"))
    identity = _unprivileged(folder)
    process: subprocess.Popen[bytes] | None = None
    try:
        _run([programs / "initdb", "-D", folder / "data", "-U", "tester", "-A", "trust", "-E", "UTF8", "-N"], identity)
        settings = ("listen_addresses=", f"unix_socket_directories={folder}", *SPEED)
        options = [part for setting in settings for part in ("-c", setting)]
        with (folder / "log").open("wb") as log:
            command = [str(programs / "postgres"), "-D", str(folder / "data"), *options]
            process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, **identity)
        server = PostgresServer(folder)
        _await(server, process, folder / "log")
        yield server
    finally:
        if process is not None:
            process.send_signal(signal.SIGINT)  # PostgreSQL's "fast" shutdown
            process.wait(START_SECONDS)
        shutil.rmtree(folder)


def _find_programs() -> Path:
    found = sorted(PROGRAMS.glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    reason = f"PostgreSQL's server programs are not under {PROGRAMS} (Debian: apt-get install postgresql)"
    if os.environ.get("LATTICEFORGE_TEST_REQUIRE") == "all":
        pytest.fail(reason)
    pytest.skip(reason)


def _unprivileged(folder: Path) -> dict[str, Any]:
    """How to start a program as a plain user who owns `folder`: PostgreSQL refuses to run as root."""
    if os.getuid() != 0:
        return {}
    names = {entry.pw_name for entry in pwd.getpwall()}
    user = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
    os.chown(folder, user.pw_uid, user.pw_gid)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _run(command: list[str | Path], identity: dict[str, Any]) -> None:
    done = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False, **identity)
    assert done.returncode == 0, done.stderr


def _await(server: PostgresServer, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while True:
        try:
            psycopg.connect(server.url("postgres")).close()
            return
        except psycopg.OperationalError:
            assert process.poll() is None, f"PostgreSQL did not start: {log.read_text()}"
            assert time.monotonic() < end, f"PostgreSQL did not answer in {START_SECONDS} s: {log.read_text()}"
            time.sleep(0.05)
