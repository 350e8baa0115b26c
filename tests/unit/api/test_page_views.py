"""What the pages say about quantities, curves and logs."""

from __future__ import annotations

from datetime import timedelta

import pytest

from api.web import wording
from api.web.charts import CHART_SIZE, Box
from api.web.curves import MOST_POINTS, Curves, spend_curve
from api.web.records import LOG_LINES, log_tail
from orchestrator.domain.ids import RunId, StageId
from orchestrator.domain.journal import Entry, EntryKind
from orchestrator.domain.json_value import JsonValue
from orchestrator.domain.ledger import PostingKind
from orchestrator.domain.money import Money
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


def write(service: Service, run_id: str, *lines: dict[str, JsonValue], stage: str | None = None) -> None:
    """Append metrics lines, of `stage`, to the run's journal."""
    record = service.store.load(RunId(run_id))
    known = len(service.store.journal(record.run.id, 0, 1_000_000))
    entries = tuple(
        Entry(record.run.id, EntryKind.METRIC, service.clock.now(), f"test:{known + count}", line,
              None if stage is None else StageId(stage))
        for count, line in enumerate(lines)
    )  # fmt: skip
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


def test_steps_are_counted_over_all_trainings_and_each_begins_at_a_boundary(client: Client, service: Service) -> None:
    run_id, curves, read = RunId(client.submit(strategy="relora")["id"]), Curves(), service.application.read
    write(service, run_id, step(1), step(2), step(3), stage="01-train")
    assert [each.before for each in curves.of(read, run_id).trainings] == [0]
    write(service, run_id, step(1), step(2), stage="03-train")
    write(service, run_id, step(1), stage="05-train")
    curve = curves.of(read, run_id)
    assert [(point.step, point.own_step) for point in curve.points] == [(1, 1), (2, 2), (3, 3), (4, 1), (5, 2), (6, 1)]
    assert [(each.stage, each.before) for each in curve.trainings] == [
        ("01-train", 0),
        ("03-train", 3),
        ("05-train", 5),
    ]
    assert curve == Curves().of(read, run_id)


def test_a_training_that_is_resumed_keeps_its_place_behind_the_one_before(client: Client, service: Service) -> None:
    run_id, read = RunId(client.submit(strategy="relora")["id"]), service.application.read
    write(service, run_id, step(1), step(2), stage="01-train")
    write(service, run_id, step(1, 3.0), step(2, 2.0), step(2, 2.5), step(3, 1.5), stage="03-train")
    points = Curves().of(read, run_id).points
    assert [(point.step, point.loss) for point in points] == [(1, 1.0), (2, 1.0), (3, 3.0), (4, 2.5), (5, 1.5)]


def test_the_steps_of_a_long_run_of_many_trainings_only_grow(client: Client, service: Service) -> None:
    run_id = RunId(client.submit(strategy="relora")["id"])
    each = MOST_POINTS // 2 + 11
    for stage in ("01-train", "03-train", "05-train"):
        write(service, run_id, *(step(number) for number in range(1, each + 1)), stage=stage)
    curve = Curves().of(service.application.read, run_id)
    steps = [point.step for point in curve.points]
    assert steps == sorted(set(steps))
    assert (steps[-1], [training.before for training in curve.trainings]) == (3 * each, [0, each, 2 * each])


def test_a_drawing_fills_its_box() -> None:
    width, height = CHART_SIZE
    points = [(0, 1.0), (5, 3.0), (10, 2.0)]
    middle = (3 + height - 3) / 2
    assert Box.around(points).line(points) == f"0.0,{height - 3:.1f} {width / 2:.1f},3.0 {width:.1f},{middle:.1f}"
    level = [(0, 2.0), (1, 2.0)]
    assert Box.around(level).line(level) == f"0.0,{height - 3:.1f} {width:.1f},{height - 3:.1f}"
    assert Box.around(points).line(points[:1]) == ""
