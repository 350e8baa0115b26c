"""Runs: submit, list, look, cancel, top up."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from api.dependencies import App, IdempotencyKey, RunIdPath
from api.json_body import StrictRoute
from api.reading import reads_rows
from api.schemas.draft import BudgetBody, RunDraftBody
from api.schemas.problem import documented
from api.schemas.queries import RunsQuery
from api.schemas.run import RunList, RunView
from orchestrator.domain.ids import parse_run_id
from orchestrator.domain.strategies import find_strategy
from orchestrator.ports.store import RunQuery

router = APIRouter(tags=["runs"], route_class=StrictRoute)


@router.post("/runs", status_code=201, summary="Start a run", responses=documented(402, 403, 409, 422))
@reads_rows
def submit(body: RunDraftBody, key: IdempotencyKey, app: App, response: Response) -> RunView:
    """Quotes first and refuses what cannot fit; what is accepted waits for its machine. `Location` is its address.

    The same `Idempotency-Key` with the same body answers with the run that was made first.
    """
    run = app.submit.execute(body.draft(), key)
    response.headers["Location"] = f"/runs/{run.id}"
    return RunView.of(app.read.one(run.id))


@router.get("/runs", summary="List runs", responses=documented(404, 422))
def list_runs(query: Annotated[RunsQuery, Query()], app: App) -> RunList:
    """Newest first. `next` is the `after` of the next page, null at the end."""
    wanted = RunQuery(
        limit=query.limit,
        after=None if query.after is None else parse_run_id(query.after),
        status=query.status,
        strategy=None if query.strategy is None else find_strategy(query.strategy).key,
    )
    return RunList.of(app.read.page(wanted))


@router.get("/runs/{run_id}", summary="Look at a run", responses=documented(404))
def show(run_id: RunIdPath, app: App) -> RunView:
    """What was asked for, the plan, the stages, the money and how far it is."""
    return RunView.of(app.read.one(run_id))


@router.post(
    "/runs/{run_id}/cancel",
    status_code=202,
    summary="Cancel a run",
    responses=documented(403, 404, 409),
)
def cancel(run_id: RunIdPath, app: App) -> RunView:
    """Asks it to save a checkpoint and stop; the machine is given back and the lease settled soon after. 409 once it
    has ended. Takes no body."""
    app.cancel.execute(run_id)
    return RunView.of(app.read.one(run_id))


@router.post("/runs/{run_id}/budget", summary="Raise a run's budget", responses=documented(403, 404, 409, 422))
def top_up(run_id: RunIdPath, body: BudgetBody, key: IdempotencyKey, app: App) -> RunView:
    """A live run goes on longer; one that its budget ended goes on from its checkpoint. The same `Idempotency-Key`
    grants once."""
    app.top_up.execute(run_id, body.amount, key)
    return RunView.of(app.read.one(run_id))
