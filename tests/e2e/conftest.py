"""A whole service with the real trainer, on the demonstration's inputs."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.settings import CHECKOUT
from tests.e2e.service import WholeService

NODE_PYTHON = CHECKOUT / ".trainer" / "bin" / "python"


@pytest.fixture(scope="session")
def demonstration(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demonstration's inputs, made once: model/, dataset/ and manifest.json. `make run`'s own are taken if they are
    there, else a folder that test processes side by side share; the maker checks every file, and holds a lock."""
    if not os.access(NODE_PYTHON, os.X_OK):
        message = "the trainer's environment is missing: make trainer"
        (pytest.fail if os.environ.get("LATTICEFORGE_TEST_REQUIRE") == "all" else pytest.skip)(message)
    made = CHECKOUT / "data" / "demo"
    folder = made if made.is_dir() else tmp_path_factory.getbasetemp().parent / "latticeforge" / "demo"
    command = [str(NODE_PYTHON), "-m", "workers.node.demonstration", "--out", str(folder)]
    subprocess.run(command, cwd=CHECKOUT, check=True, capture_output=True, timeout=900)
    return folder


@pytest.fixture
def service(demonstration: Path, tmp_path: Path) -> Iterator[WholeService]:
    """A service of its own for each test, ready to train."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    shutil.copytree(demonstration, home / "demo")
    running = WholeService(home)
    try:
        running.await_alive("database", "worker", "beat", "guard", "trainer", "demonstration")
        yield running
    finally:
        running.stop()
