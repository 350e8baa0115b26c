from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from api.cli_options import wish


def asked(**wanted: Any) -> dict[str, Any]:
    return wish(**{"overrides_file": None, "override": None, **wanted})


def test_a_file_that_is_here_is_named_by_its_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.jsonl").write_text("{}")
    body = asked(strategy="lora", dataset="rows.jsonl", model="owner/name")
    assert body == {"strategy": "lora", "dataset": str(tmp_path / "rows.jsonl"), "model": "owner/name"}


def test_overrides_are_json_where_they_are_json_and_text_elsewhere() -> None:
    body = asked(strategy="lora", override=["lora_r=64", "optimizer=adamw_torch", "weight_decay=0.1"])
    assert body["overrides"] == {"lora_r": 64, "optimizer": "adamw_torch", "weight_decay": 0.1}
