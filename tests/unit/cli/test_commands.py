"""What each command shows, and what its exit code says."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
from typer.testing import CliRunner

from api.cli import app
from api.cli_client import DEFAULT_URL, UnreachableError, find_url, inside
from tests.unit.cli.conftest import CommandLine, environment

NOWHERE = "http://127.0.0.1:9"


def submit(cli: CommandLine, *words: str) -> str:
    """The id of a new run."""
    result = cli("run", "lora", "--budget", "0.50", "--json", *words)
    assert result.exit_code == 0, result.output
    return str(json.loads(result.stdout)["id"])


def test_a_run_is_submitted_with_what_was_asked_for(cli: CommandLine, tmp_path: Path) -> None:
    overrides = tmp_path / "overrides.json"
    overrides.write_text('{"num_epochs": 1, "learning_rate": 0.1}')
    run_id = submit(
        cli, "--name", "first", "--seed", "7", "--max-hours", "0.5", "--overrides", str(overrides),
        "--override", "learning_rate=0.0003", "-o", "optimizer=adamw_torch",
    )  # fmt: skip
    document = json.loads(cli("show", run_id, "--json").stdout)
    assert (document["name"], document["seed"], document["max_hours"]) == ("first", 7, 0.5)
    assert document["stages"][0]["recipe"]["num_epochs"] == 1
    assert document["stages"][0]["recipe"]["learning_rate"] == 0.0003
    assert document["stages"][0]["recipe"]["optimizer"] == "adamw_torch"


def test_a_quote_shows_the_plan_and_starts_nothing(cli: CommandLine) -> None:
    result = cli("quote", "lora", "--budget", "0.50")
    assert result.exit_code == 0, result.output
    assert "never more than" in result.stdout
    assert json.loads(cli("runs", "--json").stdout)["runs"] == []


def test_runs_and_details_are_shown_for_people(cli: CommandLine) -> None:
    run_id = submit(cli, "--name", "[bold]not markup[/bold]")
    listed = cli("runs")
    assert run_id in listed.stdout
    assert "[bold]not markup[/bold]" in listed.stdout
    assert "$0.50" in cli("show", run_id).stdout


def test_a_refusal_names_every_field_and_exits_2(cli: CommandLine) -> None:
    result = cli("run", "lora", "--budget", "-1", "--override", "learning_rat=1")
    assert result.exit_code == 2
    assert "budget: must be above zero dollars" in result.stderr
    assert "overrides.learning_rat" in result.stderr


def test_a_budget_that_buys_nothing_is_answered_with_the_least_that_would(cli: CommandLine) -> None:
    result = cli("quote", "lora", "--budget", "0.001")
    assert result.exit_code == 2
    assert "The least budget that trains: 0." in result.stderr


@pytest.mark.parametrize("words", [("--override", "nonsense"), ("--override", "=1"), ("--overrides", "missing.json")])
def test_wrong_usage_exits_2_and_asks_nobody(words: tuple[str, str], tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["run", "lora", "--budget", "1", *words], env=environment(tmp_path, NOWHERE))
    assert result.exit_code == 2
    assert words[0] in result.stderr


def test_a_service_that_is_not_there_exits_3_and_says_what_to_do(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["runs"], env=environment(tmp_path, NOWHERE))
    assert result.exit_code == 3
    assert "latticeforge up" in result.stderr
    assert result.stdout == ""


def test_an_unknown_run_exits_2(cli: CommandLine) -> None:
    assert cli("show", "run_000000000000").exit_code == 2
    assert cli("show", "../healthz").exit_code == 2


def test_cancel_and_top_up_change_the_run(cli: CommandLine) -> None:
    run_id = submit(cli)
    assert cli("top-up", run_id, "0.25").exit_code == 0
    assert json.loads(cli("show", run_id, "--json").stdout)["budget"]["cap"] == "0.75"
    assert cli("cancel", run_id).exit_code == 0
    cli.service.until_ended(run_id)
    assert cli("cancel", run_id).exit_code == 2
    assert json.loads(cli("show", run_id, "--json").stdout)["outcome"] == "cancelled"


def play(cli: CommandLine, run_id: str) -> threading.Thread:
    """The worker's part, played beside the test until the run has ended."""
    thread = threading.Thread(target=cli.service.until_ended, args=(run_id,))
    thread.start()
    return thread


def test_watching_shows_events_and_results_and_exits_0_when_the_run_completed(cli: CommandLine) -> None:
    run_id = submit(cli)
    worker = play(cli, run_id)
    result = cli("watch", run_id)
    worker.join()
    assert result.exit_code == 0, result.output
    assert "running (machine_ready)" in result.stdout
    assert "ended (settled)" in result.stdout
    assert "completed" in result.stdout
    assert "held-out loss" in result.stdout
    assert "before" in result.stdout
    assert "after" in result.stdout


def test_watching_a_run_that_ends_badly_exits_1(cli: CommandLine) -> None:
    run_id = submit(cli)
    cli("cancel", run_id)
    cli.service.until_ended(run_id)
    result = cli("watch", run_id, "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["outcome"] == "cancelled"


def test_logs_and_artifacts_of_a_run_are_fetched(cli: CommandLine, tmp_path: Path) -> None:
    run_id = submit(cli)
    cli.service.until_ended(run_id)
    folder = cli.service.home / "runs" / run_id / "jobs" / "01-train-1"
    assert cli("logs", run_id, "-f").exit_code == 0
    listed = json.loads(cli("artifacts", run_id, "--json").stdout)["artifacts"]
    result = cli("artifacts", run_id, "--download", str(tmp_path / "copy"))
    assert result.exit_code == 0, (result.output, folder)
    copied = [path for path in (tmp_path / "copy").rglob("*") if path.is_file()] if listed else []
    assert len(copied) == len(listed)


def test_a_path_that_leads_out_of_the_download_folder_is_refused(tmp_path: Path) -> None:
    assert inside(tmp_path, "a/b.txt") == tmp_path / "a" / "b.txt"
    for path in ("../escape", "/etc/passwd", "a/../../escape", "."):
        with pytest.raises(UnreachableError, match="outside"):
            inside(tmp_path, path)


def test_strategies_are_listed(cli: CommandLine) -> None:
    result = cli("strategies")
    assert result.exit_code == 0
    assert "dora_neftune" in result.stdout
    assert "iterations=3" in result.stdout


def test_the_doctor_says_what_is_there_even_when_the_service_is_down(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["doctor", "--json"], env=environment(tmp_path, NOWHERE))
    assert result.exit_code == 3
    checks = {check["name"]: check for check in json.loads(result.stdout)["checks"]}
    assert checks["python"]["ok"]
    assert checks["redis"]["ok"]
    assert "Valkey" in checks["redis"]["detail"]
    assert not checks["service"]["ok"]


def test_the_doctor_reports_what_the_service_misses(cli: CommandLine) -> None:
    result = cli("doctor", "--json")
    assert result.exit_code == 1
    checks = {check["name"]: check for check in json.loads(result.stdout)["checks"]}
    assert checks["service"]["ok"]
    assert not checks["worker"]["ok"]


def test_the_address_is_the_one_given_then_the_environments_then_the_running_services_then_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LATTICEFORGE_URL", raising=False)
    assert find_url(None, tmp_path) == DEFAULT_URL
    (tmp_path / "service.json").write_text('{"url": "http://127.0.0.1:8123"}')
    assert find_url(None, tmp_path) == "http://127.0.0.1:8123"
    monkeypatch.setenv("LATTICEFORGE_URL", "http://elsewhere:1/")
    assert find_url(None, tmp_path) == "http://elsewhere:1"
    assert find_url("http://given:2", tmp_path) == "http://given:2"
