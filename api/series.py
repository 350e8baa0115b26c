"""The metric series out of the journal: filtered, paged, and thinned for a curve that fits a screen."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence

from api.schemas.journal import MetricSeries, MetricView
from orchestrator.domain.ids import RunId, StageId
from orchestrator.domain.journal import EntryKind, StoredEntry
from orchestrator.domain.run import Run
from orchestrator.services.read import ReadRuns

PAGE = 2000
MOST_SCANNED = 200_000
"""Entries that one request looks at. A longer series is told to go on with `more`."""
METRICS = frozenset({EntryKind.METRIC})
STEP = "step"

Extreme = Callable[[MetricView], float]


def read_series(read: ReadRuns, run_id: RunId, after: int, limit: int, event: str | None) -> MetricSeries:
    """The first `limit` metrics with seq > `after`, of `event` only if it is given."""
    wanted: list[StoredEntry] = []
    last, full = after, False
    for stored in _scan(read, run_id, after):
        if full := len(wanted) == limit:
            break
        last = stored.seq
        if event in {None, str(stored.entry.data.get("event", ""))}:
            wanted.append(stored)
    more = full or _is_more(read, run_id, last)
    # Read after the lines: a training that has told of a step follows on what is finished by now.
    before = steps_before(read.one(run_id).run)
    metrics = [MetricView.of(stored, before.get(stored.entry.stage_id, 0)) for stored in wanted]
    return MetricSeries(metrics=metrics, next=last, more=more)


def read_thinned(read: ReadRuns, run_id: RunId, after: int, points: int, event: str | None) -> MetricSeries:
    """The whole series after `after`, its steps thinned to about `points`; other events are all kept. Each training is
    thinned by itself: losses of two objectives are not to be compared, and every beginning and end stays."""
    series = read_series(read, run_id, after, MOST_SCANNED, event)
    steps = [view for view in series.metrics if view.event == STEP]
    kept: set[int] = set()
    for _, training in itertools.groupby(steps, key=lambda view: view.stage):
        views = list(training)
        kept |= {view.seq for view in thinned(views, max(points * len(views) // len(steps), 2))}
    metrics = [view for view in series.metrics if view.event != STEP or view.seq in kept]
    return MetricSeries(metrics=metrics, next=series.next, more=series.more)


def steps_before(run: Run) -> dict[StageId | None, int]:
    """For each training of `run` the steps that those before it have taken; they are finished when it begins."""
    before: dict[StageId | None, int] = {}
    count = 0
    for stage in run.stages:
        before[stage.id] = count
        count += stage.step
    return before


def thinned(steps: Sequence[MetricView], points: int) -> list[MetricView]:
    """At most `points` (>= 2) of `steps`, in their order: the first, the last, and of equal stretches in between the
    least and the greatest loss, so that no spike is lost to the eye."""
    if len(steps) <= points:
        return list(steps)
    inner = steps[1:-1]
    stretches = (points - 2) // 2
    kept = [steps[0]]
    for index in range(stretches):
        stretch = inner[index * len(inner) // stretches : (index + 1) * len(inner) // stretches]
        ends = {view.seq: view for view in (min(stretch, key=_loss), max(stretch, key=_loss))}
        kept.extend(sorted(ends.values(), key=lambda view: view.seq))
    return [*kept, steps[-1]]


def _loss(view: MetricView) -> float:
    loss = view.data.get("loss")
    # A diverged loss comes as null and is as far off as can be: it must show.
    return float(loss) if isinstance(loss, int | float) else float("inf")


def _scan(read: ReadRuns, run_id: RunId, after: int) -> Iterator[StoredEntry]:
    return itertools.islice(_pages(read, run_id, after), MOST_SCANNED)


def _pages(read: ReadRuns, run_id: RunId, after: int) -> Iterator[StoredEntry]:
    while page := read.journal(run_id, after, PAGE, METRICS):
        yield from page
        after = page[-1].seq


def _is_more(read: ReadRuns, run_id: RunId, last: int) -> bool:
    return bool(read.journal(run_id, last, 1, METRICS))
