"""A run's metric series."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from api.dependencies import App, RunIdPath
from api.json_body import StrictRoute
from api.schemas.journal import MetricSeries
from api.schemas.problem import documented
from api.schemas.queries import MetricsQuery
from api.series import read_series, read_thinned

router = APIRouter(tags=["runs"], route_class=StrictRoute)


@router.get("/runs/{run_id}/metrics", summary="Read a run's metrics", responses=documented(404, 422))
def metrics(run_id: RunIdPath, query: Annotated[MetricsQuery, Query()], app: App) -> MetricSeries:
    """What the node reported, in order. A number that was NaN or infinite is null."""
    if query.points is not None:
        return read_thinned(app.read, run_id, query.after, query.points, query.event)
    return read_series(app.read, run_id, query.after, query.limit, query.event)
