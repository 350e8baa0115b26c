"""A training that was stopped and resumed is the training that was not: step by step the same losses."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from node_jobs import TRAINER_PYTHON
from technique_runs import STEPS, TECHNIQUES, TechniqueRuns, prepared

pytestmark = [
    pytest.mark.trainer,
    pytest.mark.skipif(not TRAINER_PYTHON.exists(), reason="no trainer environment"),
]


@pytest.mark.parametrize(
    ("name", "stop_at"),
    [
        ("lora", 1),
        ("strategy_a", 3),
        ("galore", 4),  # its subspaces are renewed at steps 4, 7 and 10: once at the stop, then after it
        ("full", 6),
        ("orpo", 2),
        ("orpo_full", 7),
        ("qlora", 5),
    ],
)
def test_a_run_stopped_by_sigterm_at_a_step_resumes_with_the_losses_of_an_unbroken_one(
    techniques: TechniqueRuns, tmp_path: Path, name: str, stop_at: int
) -> None:
    first = prepared(tmp_path / "first", techniques.model, **TECHNIQUES[name])
    (first.folder / "stop_at").write_text(str(stop_at))
    stopped = first.start().finish()
    assert stopped["cause"] == "signal", stopped["message"]
    assert stop_at <= stopped["last_step"] <= stop_at + 1
    assert stopped["result"] == str(tmp_path / "output" / f"checkpoint-{stopped['last_step']}")

    second = prepared(tmp_path / "second", techniques.model, resume=True, **TECHNIQUES[name])
    resumed = second.start().finish()
    assert resumed["cause"] == "completed", resumed["message"]
    assert second.events("begin")[0]["step"] == stopped["last_step"]
    expected = techniques.unbroken(name).events("step")
    actual = [*first.events("step"), *second.events("step")]
    assert [event["step"] for event in actual] == list(range(1, STEPS + 1))
    worst = max(abs(a["loss"] / e["loss"] - 1) for a, e in zip(actual, expected, strict=True))
    print(f"{name} stopped at {stopped['last_step']}: losses differ by {worst:.1e} at most")
    for key in ("loss", "grad_norm", "learning_rate", "tokens"):
        assert [event[key] for event in actual] == pytest.approx([event[key] for event in expected], rel=1e-5), key
