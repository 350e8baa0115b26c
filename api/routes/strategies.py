"""The strategies that can be asked for."""

from __future__ import annotations

from fastapi import APIRouter

from api.json_body import StrictRoute
from api.schemas.strategy import StrategyList
from orchestrator.domain.strategies import STRATEGIES

router = APIRouter(tags=["catalogue"], route_class=StrictRoute)


@router.get("/strategies", summary="List the strategies")
async def strategies() -> StrategyList:
    """With their stages, parameters and settings; the techniques with papers, costs, claims and what they exclude."""
    return StrategyList.whole(STRATEGIES)
