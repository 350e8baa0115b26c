from __future__ import annotations

import csv
from pathlib import Path

import pytest

from bench.accuracy import COLUMNS, MEMORY, SPEED, judge, main, predicted_speed
from bench.rows import read_rows
from tests.unit.bench.test_rows import PLAIN, written


def test_predictions_are_written_a_file_for_each_quantity(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, {**PLAIN, "peak_mem_gib": "40"}, {**PLAIN, "id": "r2"})
    assert main([str(path), "--out", str(tmp_path / "said.csv")]) == 0
    speeds, peaks = (
        list(csv.reader((tmp_path / f"said.{name}.csv").read_text(encoding="utf-8").splitlines()))
        for name in (SPEED, MEMORY)
    )
    assert tuple(speeds[0]) == tuple(peaks[0]) == COLUMNS == ("id", "predicted", "lower", "upper", "measured")
    assert [line[0] for line in speeds[1:]] == ["r1", "r2"]
    assert [line[0] for line in peaks[1:]] == ["r1"]
    predicted, lower, upper, measured = map(float, speeds[1][1:])
    assert lower < predicted < upper
    assert measured == 9000
    assert "source here" in capsys.readouterr().out


def test_without_a_file_both_quantities_are_printed_with_their_names_behind_the_id(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main([str(written(tmp_path, {**PLAIN, "peak_mem_gib": "40"}))])
    printed = capsys.readouterr().out
    assert f"r1:{SPEED}," in printed
    assert f"r1:{MEMORY}," in printed


def test_the_measured_value_has_no_part_in_the_prediction(tmp_path: Path) -> None:
    said = []
    for measured in ("1", "9000"):
        rows, _ = read_rows(written(tmp_path, {**PLAIN, "tokens_per_s_per_gpu": measured}))
        said.append(predicted_speed(rows[0]))
    assert said[0] == said[1]


def test_a_row_is_covered_when_its_measurement_lies_in_the_interval(tmp_path: Path) -> None:
    middle = predicted_speed(read_rows(written(tmp_path, PLAIN))[0][0]).middle
    rows, _ = read_rows(
        written(
            tmp_path,
            {**PLAIN, "tokens_per_s_per_gpu": f"{middle * 1.02}"},
            {**PLAIN, "tokens_per_s_per_gpu": f"{middle * 9}"},
        )
    )
    judged, refused = judge(rows, SPEED)
    assert not refused
    assert [each.covered for each in judged] == [True, False]
    assert judged[0].error == pytest.approx(1 / 1.02 - 1)


def test_the_report_counts_by_source_method_and_accelerator(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = {**PLAIN, "id": "r2", "source": "there", "method": "full", "gpu": "A100-SXM-80GB"}
    main([str(written(tmp_path, PLAIN, other)), "--out", str(tmp_path / "said.csv"), "--quantity", "speed"])
    printed = capsys.readouterr().out
    for label in ("source here", "source there", "method lora", "method full", "gpu H200", "gpu A100-80GB"):
        assert label in printed
    assert MEMORY not in printed


def test_rows_that_cannot_be_placed_are_listed_with_the_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, {**PLAIN, "id": "odd", "gpu": "abacus"})
    assert main([str(path), "--out", str(tmp_path / "said.csv")]) == 0
    printed = capsys.readouterr().out
    assert "odd: no data sheet for the accelerator 'abacus'" in printed
    assert f"{SPEED}: no row states it" in printed


def test_an_empty_file_is_no_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "empty.csv"
    path.write_text("", encoding="utf-8")
    assert main([str(path)]) == 0
    assert "no row states it" in capsys.readouterr().out


def test_a_file_that_is_not_there_is_told_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "none.csv")]) == 2
    assert "No such file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "absurd"), [("seq_len", "9" * 300), ("micro_batch", "1e300"), ("grad_accum", "0"), ("lora_r", "1.5")]
)
def test_a_row_of_absurd_counts_is_left_out_and_the_others_are_predicted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, absurd: str
) -> None:
    assert main([str(written(tmp_path, PLAIN, {**PLAIN, "id": "odd", name: absurd}))]) == 0
    printed = capsys.readouterr().out
    assert f"r1:{SPEED}," in printed
    assert f"odd: {name}" in printed


def test_a_file_that_is_no_table_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(f"id,model\n{'x' * 200_000},a\n", encoding="utf-8")
    assert main([str(path)]) == 2
    assert str(path) in capsys.readouterr().err


@pytest.mark.parametrize("config", ["[1, 2]", "[" * 100_000, "3", "{"])
def test_a_config_that_is_no_object_leaves_its_row_out(tmp_path: Path, config: str) -> None:
    (tmp_path / "config.json").write_text(config, encoding="utf-8")
    rows, unplaced = read_rows(written(tmp_path, {**PLAIN, "model": "config.json"}))
    assert (rows, [each.id for each in unplaced]) == ([], ["r1"])
