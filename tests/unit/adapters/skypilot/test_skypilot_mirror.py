"""A job's log, read again and again, gives every line of the node once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator.adapters.metrics import read_metrics
from orchestrator.adapters.skypilot.mirror import Mirror, Taken
from orchestrator.adapters.skypilot.places import JobNotes

FIRST, SECOND = '{"event": "begin"}\n', '{"event": "step", "step": 1}\n'


def told(offset: int, line: str) -> str:
    """As SkyPilot shows a line of the relay: coloured, and with the job's name before it."""
    return f"\x1b[36m(01-train-1, pid=7)\x1b[0m latticeforge:line {offset} {json.dumps(line)}"


@pytest.fixture
def notes(tmp_path: Path) -> JobNotes:
    return JobNotes(tmp_path)


def test_lines_are_kept_in_order_and_once_however_often_they_are_read(notes: JobNotes) -> None:
    mirror = Mirror(notes)
    assert mirror.take(told(0, FIRST)) is Taken.METRICS
    assert mirror.take(told(len(FIRST), SECOND)) is Taken.METRICS
    assert [mirror.take(told(0, FIRST)), mirror.take(told(len(FIRST), SECOND))] == [Taken.NOTHING, Taken.NOTHING]
    assert notes.metrics.read_text() == FIRST + SECOND


def test_a_line_whose_predecessor_is_missing_is_not_kept(notes: JobNotes) -> None:
    mirror = Mirror(notes)
    assert mirror.take(told(len(FIRST), SECOND)) is Taken.GAP
    assert mirror.size == 0
    assert mirror.take(told(0, FIRST)) is Taken.METRICS


def test_bytes_that_are_no_text_come_out_as_they_went_in(notes: JobNotes) -> None:
    torn = b"\xff\xfe not json\n"
    assert Mirror(notes).take(told(0, torn.decode("latin-1"))) is Taken.METRICS
    assert notes.metrics.read_bytes() == torn
    assert read_metrics(notes.metrics, 0).lines == ()


def test_what_others_write_into_the_log_is_passed_over(notes: JobNotes) -> None:
    mirror = Mirror(notes)
    lines = [
        "",
        "Waiting for task resources on 1 node.",
        "latticeforge:alive",
        "latticeforge:line x {}",
        "latticeforge:exit {torn",
    ]
    assert {mirror.take(line) for line in lines} == {Taken.NOTHING}


def test_the_first_verdict_counts(notes: JobNotes) -> None:
    mirror = Mirror(notes)
    assert mirror.take('latticeforge:exit {"cause": "completed"}') is Taken.EXIT
    assert mirror.take('latticeforge:exit {"cause": "failed"}') is Taken.EXIT
    assert json.loads(notes.exit.read_text()) == {"cause": "completed"}
