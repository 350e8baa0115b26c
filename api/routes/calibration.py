"""How good the predictions were."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from api.dependencies import App
from api.json_body import StrictRoute
from api.schemas.calibration import CalibrationView
from api.schemas.problem import documented
from api.schemas.queries import CalibrationQuery

router = APIRouter(tags=["catalogue"], route_class=StrictRoute)


@router.get("/calibration", summary="Compare predictions with what came of them", responses=documented(422))
def calibration(query: Annotated[CalibrationQuery, Query()], app: App) -> CalibrationView:
    """Every stage so far, newest first; how good the predictions of each kind of training were; and the corrections
    that are in force for the next quote."""
    return CalibrationView.of(app.learned.page(query.limit, query.after))
