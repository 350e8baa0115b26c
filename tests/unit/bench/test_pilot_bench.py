from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.pilot import judged, main


def metrics(path: Path, seconds: list[float], pause: tuple[int, float] | None = None) -> Path:
    """A training with these seconds for each step, and a checkpoint after one of them."""
    lines: list[dict[str, object]] = [{"event": "begin", "step": 0, "max_steps": len(seconds)}]
    elapsed = 0.0
    for number, each in enumerate(seconds, start=1):
        elapsed += each
        lines.append({"event": "step", "step": number, "elapsed_seconds": elapsed, "tokens": 100 * number})
        if pause is not None and number == pause[0]:
            lines.append({"event": "checkpoint", "step": number, "seconds": pause[1]})
            elapsed += pause[1]
    path.write_text("\n".join(json.dumps(line) for line in lines) + "\n{torn", encoding="utf-8")
    return path


def test_a_slow_start_and_a_checkpoint_do_not_count_against_the_pilot(tmp_path: Path) -> None:
    path = metrics(tmp_path / "metrics.jsonl", [5.0, 2.0, *[0.5] * 198], pause=(120, 9.0))
    found = judged(path, 120)
    assert found is not None
    assert (found.steps, found.foretold, found.rest) == (140, pytest.approx(0.5), pytest.approx(0.5))


def test_a_rest_that_is_slower_than_the_pilot_is_an_error(tmp_path: Path) -> None:
    found = judged(metrics(tmp_path / "metrics.jsonl", [0.5] * 60 + [1.0] * 140), 120)
    assert found is not None
    assert found.error == pytest.approx(-0.5)


def test_a_training_without_a_rest_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = metrics(tmp_path / "metrics.jsonl", [0.5] * 80)
    assert judged(path, 120) is None
    assert main([str(path)]) == 1
    assert "no training of at least 120 steps" in capsys.readouterr().err
