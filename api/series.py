"""The metric series out of the journal: filtered, paged, and thinned for a curve that fits a screen."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence

from api.schemas.journal import MetricSeries, MetricView
from orchestrator.domain.ids import RunId
from orchestrator.domain.journal import EntryKind, StoredEntry
from orchestrator.services.read import ReadRuns

PAGE = 2000
MOST_SCANNED = 200_000
"""Entries that one request looks at. A longer series is told to go on with `more`."""
METRICS = frozenset({EntryKind.METRIC})
STEP = "step"

Extreme = Callable[[MetricView], float]


def read_series(read: ReadRuns, run_id: RunId, after: int, limit: int, event: str | None) -> MetricSeries:
    """The first `limit` metrics with seq > `after`, of `event` only if it is given."""
    wanted: list[MetricView] = []
    last = after
    for stored in _scan(read, run_id, after):
        if len(wanted) == limit:
            return MetricSeries(metrics=wanted, next=last, more=True)
        last = stored.seq
        view = MetricView.of(stored)
        if event in {None, view.event}:
            wanted.append(view)
    return MetricSeries(metrics=wanted, next=last, more=_is_more(read, run_id, last))


def read_thinned(read: ReadRuns, run_id: RunId, after: int, points: int, event: str | None) -> MetricSeries:
    """The whole series after `after`, its steps thinned to about `points`; other events are all kept."""
    series = read_series(read, run_id, after, MOST_SCANNED, event)
    kept = {view.seq for view in thinned([view for view in series.metrics if view.event == STEP], points)}
    metrics = [view for view in series.metrics if view.event != STEP or view.seq in kept]
    return MetricSeries(metrics=metrics, next=series.next, more=series.more)


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
