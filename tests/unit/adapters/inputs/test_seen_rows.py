"""A file that stays as it is is read once."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.adapters.inputs import seen_rows
from orchestrator.adapters.inputs.datasets import RowFile, read_rows
from orchestrator.adapters.inputs.folders import FolderInputs
from orchestrator.domain.errors import InvalidInputError

LINE = '{"text": "a"}\n'


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that were read, in order."""
    seen: list[Path] = []

    def read(path: Path, field: str, allowed: tuple[str, ...]) -> RowFile:
        seen.append(path)
        return read_rows(path, field, allowed)

    monkeypatch.setattr(seen_rows, "read_rows", read)
    return seen


def test_a_file_is_read_once_and_again_when_it_changed(tmp_path: Path, readings: list[Path]) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text(LINE * 3)
    inputs = FolderInputs("owner/model", "owner/rows", None, (tmp_path,))
    assert [inputs.dataset("rows.jsonl", None).rows for _ in range(3)] == [3, 3, 3]
    assert len(readings) == 1
    rows.write_text(LINE * 5)
    assert inputs.dataset("rows.jsonl", None).rows == 5
    assert len(readings) == 2


def test_a_refusal_is_found_once_and_told_every_time(tmp_path: Path, readings: list[Path]) -> None:
    (tmp_path / "rows.jsonl").write_text("[]\n")
    inputs = FolderInputs("owner/model", "owner/rows", None, (tmp_path,))
    for _ in range(3):
        with pytest.raises(InvalidInputError, match="dataset:1: is not a JSON object"):
            inputs.dataset("rows.jsonl", None)
    with pytest.raises(InvalidInputError, match="preferences:1"):
        inputs.dataset("rows.jsonl", None, field="preferences")
    assert len(readings) == 2
