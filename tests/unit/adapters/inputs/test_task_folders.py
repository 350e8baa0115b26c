"""Folders of harness tasks, looked at before a training is paid for; links out of them, and of models'."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.adapters.inputs import permitted
from orchestrator.adapters.inputs.folders import FolderInputs
from orchestrator.domain.errors import InvalidInputError


def problem(root: Path, *tasks: str) -> tuple[str, str]:
    with pytest.raises(InvalidInputError) as refused:
        FolderInputs("owner/model", "owner/rows", None, (root,)).task_folder("tasks", tasks)
    [found] = refused.value.problems
    return found.field, found.message


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "root" / "tasks"
    (made / "deep").mkdir(parents=True)
    return made


def test_a_folder_whose_files_name_the_tasks_is_taken(folder: Path) -> None:
    (folder / "deep" / "sums.yml").write_text("task: sums\ninclude: base\n")
    (folder / "deep" / "base").write_text('"task": hard-1.5\n')
    inputs = FolderInputs("owner/model", "owner/rows", None, (folder.parent,))
    assert inputs.task_folder("tasks", ("sums", "hard-1.5")) == str(folder)


def test_a_folder_without_yaml_is_refused_and_so_is_a_task_that_it_lacks(folder: Path) -> None:
    (folder / "rows.jsonl").write_text("{}\n")
    assert problem(folder.parent, "sums") == ("harness.include_path", "holds no .yaml or .yml file")
    (folder / "sums.yaml").write_text("task: sums\n")
    field, message = problem(folder.parent, "sums", "sum", "other")
    assert (field, message) == ("harness.tasks", "are not defined in harness.include_path: sum, other")


def test_a_link_out_is_found_however_deep_it_lies(folder: Path) -> None:
    (folder / "sums.yaml").write_text("task: sums\n")
    (folder.parent / "shared").mkdir()
    (folder / "deep" / "shared").symlink_to(folder.parent / "shared")
    (folder / "deep" / "round").symlink_to(folder)
    (folder.parent / "shared" / "rows.jsonl").symlink_to("/etc/passwd")
    assert problem(folder.parent, "sums") == (
        "harness.include_path", "holds a link out of the permitted folders: rows.jsonl",
    )  # fmt: skip


def test_a_folder_without_end_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(permitted, "MOST_ENTRIES", 3)
    for number in range(4):
        (folder / "deep" / f"{number}.yaml").touch()
    assert problem(folder.parent, "sums") == ("harness.include_path", "holds more than 3 files")
