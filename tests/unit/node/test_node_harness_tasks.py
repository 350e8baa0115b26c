"""A user's harness tasks: what is read from their folder, and all that is refused before anything is run."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from workers.node.harness_tasks import HarnessError, local_tasks

PLAIN: dict[str, Any] = {
    "task": "sums",
    "dataset_path": "json",
    "dataset_kwargs": {"data_files": {"test": "rows.jsonl"}},
    "test_split": "test",
    "output_type": "multiple_choice",
    "doc_to_text": "{{question}}",
    "doc_to_target": "{{answer}}",
    "doc_to_choice": ["yes", "no"],
    "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
}


def task_in(folder: Path, name: str = "sums.yaml", text: str = "", **changes: Any) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "rows.jsonl").write_text(json.dumps({"question": "Is it?", "answer": 0}) + "\n")
    (folder / name).write_text(yaml.safe_dump({**PLAIN, **changes}) + text)
    return folder


def test_a_task_is_read_with_absolute_paths_to_its_rows(tmp_path: Path) -> None:
    config = local_tasks(task_in(tmp_path / "tasks"), ["sums"])["sums"]
    assert config["dataset_kwargs"] == {"data_files": {"test": [str(tmp_path / "tasks" / "rows.jsonl")]}}
    assert {key: config[key] for key in PLAIN if key != "dataset_kwargs"} == {
        key: value for key, value in PLAIN.items() if key != "dataset_kwargs"
    }


def test_a_task_may_build_on_a_file_of_its_folder(tmp_path: Path) -> None:
    folder = task_in(tmp_path / "tasks", "sums_base", task=None)
    (folder / "hard.yaml").write_text("include: sums_base\ntask: hard\nnum_fewshot: 2\n")
    config = local_tasks(folder, ["hard"])["hard"]
    assert (config["task"], config["num_fewshot"], config["test_split"]) == ("hard", 2, "test")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("process_docs: !function utils.steal\n", r"sums\.yaml:\d+: .*'!function'.*may not hold code"),
        ("metadata: !!python/object/apply:os.system ['touch /tmp/owned']\n", "may not hold code"),
        ("process_docs: utils.steal\n", "process_docs cannot be used"),
        ("custom_dataset: utils.steal\n", "custom_dataset cannot be used"),
        ("unsafe_code: true\n", "unsafe_code cannot be used"),
        ("use_prompt: 'promptsource:*'\n", "use_prompt cannot be used"),
        ("dataset_path: cais/mmlu\n", "dataset_path must be one of"),
        ("metric_list: [{metric: somebody/their_metric}]\n", "not a metric of the harness's own"),
        ("metric_list: [{metric: acc, hf_evaluate: true}]\n", "not a metric of the harness's own"),
        ("generation_kwargs: {custom_generate: somebody/code}\n", "may not hold custom_generate"),
        ("dataset_kwargs: {data_files: {test: ../secret.jsonl}}\n", "not a file within"),
        ("dataset_kwargs: {data_files: {test: /etc/passwd}}\n", "not a file within"),
        ("dataset_kwargs: {data_files: {test: 'https://example.org/rows.jsonl'}}\n", "not a file within"),
        ("dataset_kwargs: {data_dir: .}\n", "must hold data_files"),
        ("include: ../secret.yaml\n", "not a file within"),
        ("include: sums.yaml\n", "nested too deep"),
        ("  : [", "sums.yaml"),
    ],
)
def test_a_task_that_would_run_or_reach_anything_else_is_refused(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "secret.jsonl").write_text("{}\n")
    (tmp_path / "secret.yaml").write_text("task: secret\n")
    folder = task_in(tmp_path / "tasks", text=text)  # a key that is given twice counts as the second
    with pytest.raises(HarnessError, match=words):
        local_tasks(folder, ["sums"])


def test_a_link_out_of_the_folder_is_no_file_within_it(tmp_path: Path) -> None:
    (tmp_path / "secret.jsonl").write_text("{}\n")
    folder = task_in(tmp_path / "tasks", dataset_kwargs={"data_files": {"test": "link.jsonl"}})
    (folder / "link.jsonl").symlink_to(tmp_path / "secret.jsonl")
    with pytest.raises(HarnessError, match="not a file within"):
        local_tasks(folder, ["sums"])


def test_a_missing_task_is_named(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match="no usable task nosuch in"):
        local_tasks(task_in(tmp_path / "tasks"), ["sums", "nosuch"])
    with pytest.raises(HarnessError, match="is not a folder"):
        local_tasks(tmp_path / "nowhere", ["sums"])


def test_a_bad_file_beside_a_good_task_does_no_harm(tmp_path: Path) -> None:
    folder = task_in(tmp_path / "tasks")
    (folder / "other.yaml").write_text("task: other\nprocess_docs: !function utils.steal\n")
    assert list(local_tasks(folder, ["sums"])) == ["sums"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("metadata: {a: &a [1, 2], b: [*a, *a]}\n", r"sums\.yaml:\d+: anchors and aliases are not read"),
        ("metadata: " + "[" * 5000 + "\n", r"sums\.yaml"),
        ("metadata: " + "9" * 5000 + "\n", r"sums\.yaml"),
        ("metadata: 2001-99-99\n", r"sums\.yaml"),
        ("metric_list: 5\n", r"sums\.yaml"),
        ("generation_kwargs: 5\n", r"sums\.yaml"),
        ("? 5\n: x\n? y\n: x\n", r"sums\.yaml: 5, y cannot be used"),
        ('include: "a\\0b"\n', r"sums\.yaml"),
        (f"description: {'a' * (256 << 10)}\n", "is too large"),
        ("".join(f"k{number}: 1\n" for number in range(300)), "more than 200 keys"),
        (f"include: [{', '.join(['other'] * 60)}]\n", "more than 50 includes"),
        ("dataset_kwargs: {data_files: {test: 'a[b].jsonl'}}\n", "would be read as a pattern"),
    ],
)
def test_a_strange_file_is_refused_by_its_name(tmp_path: Path, text: str, words: str) -> None:
    folder = task_in(tmp_path / "tasks", text=text)
    (folder / "other").write_text("num_fewshot: 1\n")
    (folder / "a[b].jsonl").write_text("{}\n")
    with pytest.raises(HarnessError, match=words):
        local_tasks(folder, ["sums"])


def test_a_task_that_two_files_define_is_refused(tmp_path: Path) -> None:
    folder = task_in(task_in(tmp_path / "tasks"), "again.yml")
    with pytest.raises(HarnessError, match="sums is defined in another file as well"):
        local_tasks(folder, ["sums"])


def test_a_pipe_is_not_waited_for_and_a_file_out_of_the_folder_is_not_told_of(tmp_path: Path) -> None:
    (tmp_path / "secret.yaml").write_text("password: [hunter2\n")
    folder = task_in(tmp_path / "tasks")
    (folder / "link.yaml").symlink_to(tmp_path / "secret.yaml")
    os.mkfifo(folder / "pipe.yaml")
    with pytest.raises(HarnessError) as refused:
        local_tasks(folder, ["nosuch"])
    assert "link.yaml is not a file within" in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_a_broken_file_is_told_by_its_line_and_not_by_its_text(tmp_path: Path) -> None:
    folder = task_in(tmp_path / "tasks", text="metadata: [hunter2\n")
    with pytest.raises(HarnessError, match=r"sums\.yaml:\d+: ") as refused:
        local_tasks(folder, ["sums"])
    assert "hunter2" not in str(refused.value)
