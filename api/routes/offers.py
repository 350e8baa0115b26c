"""What can be rented now."""

from __future__ import annotations

from fastapi import APIRouter

from api.dependencies import App
from api.json_body import StrictRoute
from api.schemas.offer import OfferList, OfferView
from api.schemas.problem import documented

router = APIRouter(tags=["catalogue"], route_class=StrictRoute)


@router.get("/offers", summary="List the machines on offer", responses=documented(503))
def offers(app: App) -> OfferList:
    """With their prices, and where and when these were read."""
    return OfferList(offers=[OfferView.of(offer) for offer in app.read.offers()])
