"""Uploading and listing datasets from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tests.unit.cli.conftest import CommandLine

PAIR = {"instruction": "Say hello.", "chosen": "Hello.", "rejected": "No."}


def test_a_file_is_uploaded_listed_and_used_by_its_id(cli: CommandLine, tmp_path: Path) -> None:
    rows = tmp_path / "[bold]rows.jsonl"
    rows.write_text((json.dumps({"instruction": "Say hello.", "output": "Hello."}) + "\n") * 40_000)
    result = cli("upload", str(rows), "--json")
    assert result.exit_code == 0, result.output
    kept = json.loads(result.stdout)
    assert (kept["name"], kept["rows"], kept["bytes"]) == ("[bold]rows.jsonl", 40_000, rows.stat().st_size)
    listed = cli("datasets")
    assert kept["id"] in listed.stdout
    assert "[bold]rows.jsonl" in listed.stdout
    quoted = cli("quote", "lora", "--budget", "0.50", "--dataset", kept["id"], "--json")
    assert json.loads(quoted.stdout)["dataset"]["rows"] == 40_000


def test_parquet_is_uploaded_and_may_be_named_as_a_file_too(cli: CommandLine, tmp_path: Path) -> None:
    pq.write_table(pa.Table.from_pylist([PAIR] * 30), tmp_path / "rows.parquet")
    result = cli("upload", str(tmp_path / "rows.parquet"), "--name", "greetings", "--json")
    assert (result.exit_code, json.loads(result.stdout)["format"]) == (0, "alpaca_pairs")
    quoted = cli("quote", "lora", "--budget", "0.50", "--dataset", str(tmp_path / "rows.parquet"), "--json")
    assert json.loads(quoted.stdout)["dataset"]["format"] == "alpaca_pairs"


def test_bad_rows_are_shown_with_their_lines_and_exit_2(cli: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl").write_text(json.dumps(PAIR) + "\nnonsense\n")
    result = cli("upload", str(tmp_path / "bad.jsonl"))
    assert result.exit_code == 2
    assert "dataset:2: is not JSON" in result.stderr
    assert json.loads(cli("datasets", "--json").stdout)["datasets"] == []


def test_a_file_that_is_not_there_is_wrong_usage(cli: CommandLine, tmp_path: Path) -> None:
    assert cli("upload", str(tmp_path / "none.jsonl")).exit_code == 2
