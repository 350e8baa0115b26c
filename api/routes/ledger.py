"""A run's money, posting by posting."""

from __future__ import annotations

from fastapi import APIRouter

from api.dependencies import App, RunIdPath
from api.json_body import StrictRoute
from api.schemas.ledger import LedgerView
from api.schemas.problem import documented

router = APIRouter(tags=["runs"], route_class=StrictRoute)


@router.get("/runs/{run_id}/ledger", summary="Read a run's ledger", responses=documented(404))
def ledger(run_id: RunIdPath, app: App) -> LedgerView:
    """Every posting in order, and the balance that is folded from them."""
    return LedgerView.of(app.read.one(run_id))
