"""Quotes: what a wish would buy."""

from __future__ import annotations

from fastapi import APIRouter

from api.dependencies import App
from api.json_body import StrictRoute
from api.reading import reads_rows
from api.schemas.draft import QuoteBody
from api.schemas.problem import documented
from api.schemas.quote import ComparedView, QuoteTable, QuoteView
from orchestrator.services.quote import parse_where

router = APIRouter(tags=["quotes"], route_class=StrictRoute)


@router.post("/quotes", summary="Ask what a run would do and cost", responses=documented(402, 403, 422))
@reads_rows
def quote(body: QuoteBody, app: App) -> QuoteView | QuoteTable:
    """The plan that the run would be started with, its cost with an interval, every assumption, and what else there was
    to choose from; or, for several strategies, budgets or counts of accelerators, a table. Nothing is started or
    reserved."""
    if not body.is_table:
        quoted = app.quote.execute(body.draft(), body.where, body.told())
        return QuoteView.of(quoted, app.offers.listed(quoted.plan.offer))
    compared = app.quote.compare(
        body.draft(),
        body.strategies or [body.strategy],
        body.budgets or [body.budget],
        body.gpu_counts or [body.gpus],
        body.where,
        body.told(),
    )
    return QuoteTable(where=parse_where(body.where), quotes=[ComparedView.of(each) for each in compared])
