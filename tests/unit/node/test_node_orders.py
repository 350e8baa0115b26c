"""Deadlines on two clocks, control files in every state, and a journal on a full disk."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from workers.node.clock import Clock, Deadline
from workers.node.job import Job, JobError, read_job
from workers.node.journal import Journal, JournalReader
from workers.node.orders import REREAD_SECONDS, Orders

START = 1_790_000_000.0


@dataclass
class HandClock:
    wall_seconds: float = START
    monotonic_seconds: float = 50.0

    def advance(self, seconds: float) -> None:
        self.wall_seconds += seconds
        self.monotonic_seconds += seconds

    @property
    def clock(self) -> Clock:
        return Clock(wall=lambda: self.wall_seconds, monotonic=lambda: self.monotonic_seconds)


def document(job_dir: Path) -> dict[str, Any]:
    return {
        "version": 2,
        "run_id": "run_1",
        "lease_id": "lf-1",
        "stage_id": "01-train",
        "kind": "train",
        "attempt": 1,
        "job_dir": str(job_dir),
        "output_dir": str(job_dir / "output"),
        "data_dir": str(job_dir / "data"),
        "soft_deadline": START + 100,
        "hard_deadline": START + 130,
        "seed": 42,
        "dataset": {"source": "/rows.jsonl", "format": "alpaca", "heldout_rows": 4, "heldout_source": None},
        "train": {"launcher": "python", "processes": 1, "resume_from": None, "pilot_steps": 6, "save_seconds": 8},
    }


def job_in(job_dir: Path, **changes: Any) -> Job:
    (job_dir / "job.json").write_text(json.dumps({**document(job_dir), **changes}))
    return read_job(job_dir)


def test_a_clock_that_steps_back_does_not_move_a_deadline() -> None:
    hand = HandClock()
    deadline = Deadline.armed(START + 100, hand.clock)
    hand.advance(60)
    hand.wall_seconds -= 3600
    assert deadline.left(hand.clock) == pytest.approx(40)


def test_a_clock_that_steps_forward_ends_the_run_early_rather_than_late() -> None:
    hand = HandClock()
    deadline = Deadline.armed(START + 100, hand.clock)
    hand.wall_seconds += 3600
    assert deadline.left(hand.clock) < 0


def test_orders_follow_the_control_file(tmp_path: Path) -> None:
    hand = HandClock()
    orders = Orders(job_in(tmp_path), hand.clock)
    assert (orders.soft_left, orders.hard_left, orders.stop_requested, orders.moves) == (100, 130, False, 0)

    moved = {"stop": False, "soft_deadline": START + 200, "hard_deadline": START + 230}
    (tmp_path / "control.json").write_text(json.dumps(moved))
    orders.refresh()
    assert orders.moves == 0  # read a moment ago
    hand.advance(REREAD_SECONDS)
    orders.refresh()
    assert (orders.soft_left, orders.hard_left, orders.moves) == (200 - REREAD_SECONDS, 230 - REREAD_SECONDS, 1)

    (tmp_path / "control.json").write_text(json.dumps({**moved, "stop": True}))
    hand.advance(REREAD_SECONDS)
    orders.refresh()
    hand.advance(3)
    assert orders.stop_requested
    assert orders.stop_age == 3
    assert orders.moves == 1


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"soft_deadline": "soon"}', '{"hard_deadline": NaN}', '{"stop": "yes"}', '{"stop": 1}']
)
def test_a_senseless_control_file_changes_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "control.json").write_text(text)
    orders = Orders(job_in(tmp_path), HandClock().clock)
    assert (orders.soft_left, orders.hard_left, orders.stop_requested, orders.moves) == (100, 130, False, 0)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"version": 3}, "version 3"),
        ({"kind": "dance"}, "kind is 'dance'"),
        ({"train": {"launcher": "python"}}, "'processes' is missing"),
        ({"soft_deadline": "soon"}, "could not convert"),
        ({"dataset": None}, "NoneType"),
    ],
)
def test_a_job_of_another_shape_is_refused_by_name(tmp_path: Path, changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(JobError, match=complaint):
        job_in(tmp_path, **changes)


def test_a_journal_keeps_whole_lines_and_writes_no_nan(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "metrics.jsonl", HandClock().clock)
    reader = JournalReader(tmp_path / "metrics.jsonl")
    assert reader.new_events() == []
    journal.write("step", loss=float("nan"), step=1)
    with (tmp_path / "metrics.jsonl").open("a") as stream:
        stream.write('garbage\n{"event": "half"')
    assert reader.new_events() == [{"event": "step", "at": START, "loss": None, "step": 1}]
    with (tmp_path / "metrics.jsonl").open("a") as stream:
        stream.write("}\n")
    assert reader.new_events() == [{"event": "half"}]


def test_a_full_disk_costs_lines_but_raises_nothing() -> None:
    Journal(Path("/dev/full"), HandClock().clock).write("step", step=1)
