"""What the pages say about quantities, curves and logs."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from api.web import wording
from api.web.curves import MOST_POINTS, Curves, polyline, spend_curve
from api.web.records import LOG_LINES, evaluation, log_tail
from orchestrator.domain.ids import RunId
from orchestrator.domain.journal import Entry, EntryKind
from orchestrator.domain.json_value import JsonValue
from orchestrator.domain.ledger import PostingKind
from orchestrator.domain.money import Money
from orchestrator.domain.stages import StageKind
from orchestrator.ports.store import RunChange
from tests.unit.api.serving import Client, Service


@pytest.mark.parametrize(
    ("micros", "said", "exact"),
    [
        (0, "$0.00", "$0.00"),
        (120_000, "$0.12", "$0.12"),
        (21_349, "$0.0213", "$0.021349"),
        (50_000_000, "$50.00", "$50.00"),
        (1_234_567_891, "$1,234.57", "$1234.567891"),
        (-120_000, "-$0.12", "-$0.12"),
    ],
)
def test_money_is_short_at_a_glance_and_exact_in_the_ledger(micros: int, said: str, exact: str) -> None:
    assert wording.dollars(Money(micros)) == said
    assert wording.exact_dollars(Money(micros)) == exact


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(-5, "0 s"), (0.9, "0 s"), (59, "59 s"), (60, "1 min"), (200, "3 min 20 s"), (3601, "1 h"), (90_000, "1 d 1 h")],
)
def test_a_duration_has_at_most_two_neighbouring_units(seconds: float, said: str) -> None:
    assert wording.duration(seconds) == said


@pytest.mark.parametrize("value", [None, float("nan"), float("inf"), True, "1"])
def test_what_is_no_finite_number_is_a_dash(value: object) -> None:
    assert wording.number(value) == "–"  # noqa: RUF001


def test_a_log_is_shown_as_a_terminal_would_leave_it() -> None:
    text = "half a line\n\x1b[32mgreen\x1b[0m\n 10%|#\r 20%|##\r\nlast\n"
    assert log_tail(text, is_cut=True) == "green\n 20%|##\nlast"
    assert log_tail(text, is_cut=False).startswith("half a line")


def test_a_long_log_is_shown_by_its_last_lines() -> None:
    shown = log_tail("".join(f"line {count}\n" for count in range(1000)), is_cut=False).split("\n")
    assert len(shown) == LOG_LINES
    assert shown[-1] == "line 999"


def write(service: Service, run_id: str, *lines: dict[str, JsonValue]) -> None:
    """Append metrics lines to the run's journal."""
    record = service.store.load(RunId(run_id))
    known = len(service.store.journal(record.run.id, 0, 1_000_000))
    entries = tuple(
        Entry(record.run.id, EntryKind.METRIC, service.clock.now(), f"test:{known + count}", line)
        for count, line in enumerate(lines)
    )
    service.store.save(RunChange(record.run, entries=entries))


def step(number: int, loss: JsonValue = 1.0) -> dict[str, JsonValue]:
    return {"event": "step", "step": number, "loss": loss, "learning_rate": 1e-4}


def test_a_curve_is_read_on_from_where_it_was(client: Client, service: Service) -> None:
    run_id, curves, read = RunId(client.submit()["id"]), Curves(), service.application.read
    write(service, run_id, step(1), step(2))
    first = curves.of(read, run_id)
    write(service, run_id, {"event": "checkpoint", "step": 2}, step(3, "inf"), step(4, 0.5))
    second = curves.of(read, run_id)
    assert [point.step for point in first.points] == [1, 2]
    assert [(point.step, point.loss) for point in second.points] == [(1, 1.0), (2, 1.0), (3, None), (4, 0.5)]
    assert second.points == Curves().of(read, run_id).points


def test_a_resumed_attempt_replaces_the_steps_that_are_done_again(client: Client, service: Service) -> None:
    run_id = RunId(client.submit()["id"])
    write(service, run_id, step(1, 3.0), step(2, 2.0), step(3, 1.0), step(2, 2.5), step(3, 1.5))
    points = Curves().of(service.application.read, run_id).points
    assert [(point.step, point.loss) for point in points] == [(1, 3.0), (2, 2.5), (3, 1.5)]


def test_a_long_curve_is_thinned_and_keeps_its_newest_step(client: Client, service: Service) -> None:
    run_id = RunId(client.submit()["id"])
    last = MOST_POINTS * 2 + 777
    write(service, run_id, *(step(number) for number in range(1, last + 1)))
    points = Curves().of(service.application.read, run_id).points
    steps = [point.step for point in points]
    assert MOST_POINTS / 3 < len(points) <= MOST_POINTS
    assert steps == sorted(set(steps))
    assert steps[-1] == last


def test_the_spend_curve_ends_at_what_the_ledger_says_and_never_falls(client: Client, service: Service) -> None:
    run_id = RunId(client.submit(budget="0.05")["id"])
    for reach in (service.until_training, service.until_ended):
        reach(run_id)
        reading = service.application.read.one(run_id)
        assert reading.lease is not None
        curve = spend_curve(reading.postings, [reading.lease], reading.at)
        assert (curve[-1].spent, curve[-1].cap) == (reading.spent, reading.balance.cap)
        assert [point.spent for point in curve] == sorted(point.spent for point in curve)
    settled = next(posting for posting in reading.postings if posting.kind is PostingKind.SETTLE)
    assert curve[-1].spent == settled.amount


def test_the_spend_curve_stays_flat_between_two_leases(client: Client, service: Service) -> None:
    run_id = RunId(client.submit()["id"])
    service.until_ended(run_id)
    reading = service.application.read.one(run_id)
    assert reading.lease is not None
    later = reading.at + timedelta(hours=1)
    curve = spend_curve(reading.postings, [reading.lease], later)
    assert curve[-1].at == later
    assert curve[-1].spent == reading.spent


def test_a_polyline_fills_its_box() -> None:
    assert polyline([(0, 1.0), (5, 3.0), (10, 2.0)], 100, 26) == "0.0,23.0 50.0,3.0 100.0,13.0"
    assert polyline([(0, 2.0), (1, 2.0)], 10, 26) == "0.0,23.0 10.0,23.0"
    assert polyline([(0, 1.0)], 10, 10) == ""


@pytest.mark.parametrize(
    ("base", "adapter", "loss", "match"),
    [
        ((2.0, 0.25), (1.5, 0.5), ("-0.5000", "better"), ("+25.0 points", "better")),
        ((2.0, 0.25), (2.5, 0.125), ("+0.5000", "worse"), ("-12.5 points", "worse")),
        ((2.0, 0.25), (2.0, 0.25), ("+0.0000", "same"), ("+0.0 points", "same")),
        ((2.0, None), (1.5, None), ("-0.5000", "better"), ("", "")),
    ],
)
def test_an_evaluation_says_what_changed_and_which_way_is_better(
    client: Client, service: Service, base: tuple[float, float | None], adapter: tuple[float, float | None],
    loss: tuple[str, str], match: tuple[str, str],
) -> None:  # fmt: skip
    run_id = RunId(client.submit()["id"])
    service.until_training(run_id)
    run = service.store.load(run_id).run
    stage = next(each for each in run.stages if each.kind is StageKind.EVALUATE)
    results: tuple[dict[str, JsonValue], ...] = tuple(
        {"subject": subject, "rows": 8, "of_rows": 8, "heldout_loss": values[0], "exact_match": values[1]}
        for subject, values in (("base", base), ("tuned", adapter))
    )
    found = evaluation(run.with_stage(replace(stage, results=results)))
    assert found is not None
    assert [(row.change, row.verdict) for row in found.rows] == [loss, match]
