"""`latticeforge calibration`: what it shows with nothing, with something, and to a script."""

from __future__ import annotations

import json

from orchestrator.domain.cost.calibration import Quantity
from orchestrator.domain.ids import RunId
from tests.contract.store_examples import make_observation
from tests.unit.cli.conftest import CommandLine


def a_run(cli: CommandLine) -> RunId:
    return RunId(json.loads(cli("run", "lora", "--budget", "0.50", "--json").stdout)["id"])


def test_with_nothing_to_compare_it_says_so_in_a_sentence(cli: CommandLine) -> None:
    result = cli("calibration")
    assert result.exit_code == 0
    assert "No stage that was planned with a prediction has ended yet" in result.stdout


def test_predicted_actual_correction_and_coverage_are_shown(cli: CommandLine) -> None:
    run_id = a_run(cli)
    gib = 1 << 30
    cli.service.store.record_observation(make_observation(run_id, actual=1.3))
    cli.service.store.record_observation(
        make_observation(run_id, quantity=Quantity.PEAK_MEMORY, predicted=40.0 * gib, predicted_low=36.0 * gib,
                         predicted_high=44.0 * gib, actual=41.0 * gib)
    )  # fmt: skip
    shown = cli("calibration").stdout
    assert run_id in shown
    assert "axolotl H200 lora bf16" in shown
    assert "-23.1 %" in shown
    assert "x 1.28" in shown
    assert "peak GiB" in shown
    assert "36 to 44" in shown
    assert "2 comparisons" in shown
    assert "50.0 % within" in shown


def test_a_page_names_the_next_and_a_script_gets_the_document(cli: CommandLine) -> None:
    run_id = a_run(cli)
    for attempt in (1, 2, 3):
        cli.service.store.record_observation(make_observation(run_id, attempt=attempt))
    assert "more with --after 2" in cli("calibration", "--limit", "2").stdout
    document = json.loads(cli("calibration", "--after", "2", "--json").stdout)
    assert [each["attempt"] for each in document["observations"]] == [1]
