"""A base that a merge fetches from the hub: its weights in whichever form it has them."""

from __future__ import annotations

from fnmatch import fnmatch
from pathlib import Path

import huggingface_hub
import pytest

from workers.node.merge import _local_folder

SAFE = ("model.safetensors", "model.safetensors.index.json")
PICKLED = ("pytorch_model-00001-of-00002.bin", "pytorch_model.bin.index.json")


def fetched(monkeypatch: pytest.MonkeyPatch, folder: Path, *published: str) -> set[str]:
    """The names of the files that a merge fetches of those that are published."""

    def download(model: str, allow_patterns: list[str]) -> str:
        for name in published:
            if any(fnmatch(name, pattern) for pattern in allow_patterns):
                (folder / name).touch()
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    return {path.name for path in _local_folder("owner/model").iterdir()}


def test_weights_that_are_published_in_the_old_form_only_are_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = fetched(monkeypatch, tmp_path, "config.json", *PICKLED, "training_args.bin", "model.py")
    assert found == {"config.json", *PICKLED}


def test_weights_that_are_published_in_both_forms_are_fetched_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = fetched(monkeypatch, tmp_path, "config.json", *SAFE, *PICKLED)
    assert found == {"config.json", *SAFE, "pytorch_model.bin.index.json"}
