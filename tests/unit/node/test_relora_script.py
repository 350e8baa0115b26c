"""The script around the chain: it finds its Python, says its own name, and passes everything on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[3] / "recipes" / "relora_train.sh"


def run(*options: str, python: str = sys.executable, **settings: object) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHON": python}
    return subprocess.run(
        [str(SCRIPT), *options], env=environment, capture_output=True, text=True, check=False, timeout=60, **settings
    )  # type: ignore[call-overload]


def test_help_is_the_scripts_own_and_names_every_option() -> None:
    done = run("--help")
    assert done.returncode == 0
    assert done.stdout.startswith("usage: relora_train.sh ")
    for option in ("--iterations", "--rank", "--config", "--model", "--dataset", "--output", "--steps", "--hours"):
        assert option in done.stdout


def test_a_wrong_option_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    done = run("--iterations", "three", cwd=tmp_path)
    assert done.returncode == 2
    assert "argument --iterations: must be a whole number from 1 to 100, not 'three'" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_missing_trainer_is_said_with_what_to_do() -> None:
    done = run("--rank", "8", python="/nowhere/python")
    assert done.returncode == 2
    assert "no trainer at /nowhere/python: run 'make trainer'" in done.stderr


def test_a_python_without_the_trainer_is_said_before_anything_is_written(tmp_path: Path) -> None:
    done = run("--rank", "8", cwd=tmp_path)
    assert done.returncode == 2
    assert "cannot import the trainer" in done.stderr
    assert list(tmp_path.iterdir()) == []
