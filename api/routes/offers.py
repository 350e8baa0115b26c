"""What can be rented now."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from api.dependencies import App
from api.json_body import StrictRoute
from api.schemas.offer import OfferList
from api.schemas.problem import documented
from api.schemas.queries import OffersQuery
from orchestrator.services.read_offers import OfferQuery

router = APIRouter(tags=["catalogue"], route_class=StrictRoute)


@router.get("/offers", summary="List the machines on offer", responses=documented(422, 503))
def offers(query: Annotated[OffersQuery, Query()], app: App) -> OfferList:
    """With their prices, and where and when these were read. Runs are launched on what is on offer `here`; the offers
    of the `clouds`, the cheapest accelerator first, are there to compare."""
    return OfferList.of(app.offers.page(OfferQuery(**query.model_dump())))
