"""Quotes: what a wish would buy."""

from __future__ import annotations

from fastapi import APIRouter

from api.dependencies import App
from api.json_body import StrictRoute
from api.reading import reads_rows
from api.schemas.draft import RunDraftBody
from api.schemas.plan import QuoteView
from api.schemas.problem import documented

router = APIRouter(tags=["quotes"], route_class=StrictRoute)


@router.post("/quotes", summary="Ask what a run would do and cost", responses=documented(402, 403, 422))
@reads_rows
def quote(body: RunDraftBody, app: App) -> QuoteView:
    """The plan that the run would be started with, its cost with an interval, and every assumption. Nothing is started
    or reserved."""
    return QuoteView.of(app.quote.execute(body.draft()))
