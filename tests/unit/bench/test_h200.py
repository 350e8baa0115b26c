"""The command: what it refuses to measure, and what it lists."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

import pytest

from bench.gpu_cases import CASES
from bench.h200 import gpu, main, missing_of_the_trainer, short_name


@pytest.fixture
def no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH without nvidia-smi; its folder."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def driver(folder: Path, text: str, code: int = 0) -> None:
    """An nvidia-smi that says `text`."""
    path = folder / "nvidia-smi"
    path.write_text(f"#!/bin/sh\necho '{text}'\nexit {code}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def test_without_a_gpu_nothing_is_measured_and_what_is_missing_is_said(
    no_gpu: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "rows.csv"
    assert main(["--out", str(out), "--work", str(tmp_path / "work"), "--trainer", str(tmp_path / "python")]) == 2
    said = capsys.readouterr().err
    assert "no NVIDIA GPU" in said
    assert "--cpu" in said
    assert "make trainer" in said
    assert not out.exists()
    assert not (tmp_path / "work").exists()


def test_a_driver_without_a_device_is_no_gpu(no_gpu: Path) -> None:
    driver(no_gpu, "No devices were found", 6)
    machine, missing = gpu()
    assert machine is None
    assert "No devices were found" in missing[0]


def test_the_driver_names_the_gpus(no_gpu: Path) -> None:
    driver(no_gpu, "NVIDIA H200, 580.159.03\nNVIDIA H200, 580.159.03")
    machine, missing = gpu()
    assert missing == []
    assert machine is not None
    assert (machine.gpu, machine.gpu_name, machine.driver, machine.devices) == (
        "H200", "NVIDIA H200", "580.159.03", 2)  # fmt: skip


def test_a_driver_name_becomes_the_name_that_predictions_know_or_stays_itself() -> None:
    assert short_name("NVIDIA H100 80GB HBM3") == "H100"
    assert short_name("NVIDIA GeForce RTX 5090") == "GeForce-RTX-5090"


def test_the_large_models_are_not_measured_on_a_cpu(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--cpu", "--model", "8b", "--out", str(tmp_path / "rows.csv"), "--trainer", sys.executable]) == 2
    assert "--model tiny only" in capsys.readouterr().err


def test_a_python_without_the_trainer_is_named() -> None:
    assert missing_of_the_trainer(Path(sys.executable), "cpu") == ["no trainer: AssertionError: it has no Axolotl"]
    assert "make trainer" in missing_of_the_trainer(Path("/nowhere/python"), "cpu")[0]


def test_listing_needs_neither_a_gpu_nor_a_trainer(no_gpu: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    said = capsys.readouterr().out
    assert all(case.id in said for case in CASES)
    assert "a guess" in said


def test_listing_keeps_to_what_was_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list", "--cases", "lora,dora", "--model", "8b", "--quick"]) == 0
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()[:-1]]
    assert names == ["8b-lora-s2048-b4-gc", "8b-dora-s2048-b4-gc"]


def test_an_unknown_way_is_refused_with_those_that_are_known(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--cases", "lora,lorra"])
    assert "unknown lorra; known: lora" in capsys.readouterr().err
