"""Is it there, and can it work?"""

from __future__ import annotations

from fastapi import APIRouter, Response

from api.dependencies import App
from api.json_body import StrictRoute
from api.schemas.examples import NOT_READY
from api.schemas.health import CheckView, LivenessView, ReadinessView

router = APIRouter(tags=["health"], route_class=StrictRoute)
UNREADY = {
    "model": ReadinessView,
    "description": "A part is missing; the checks say which.",
    "content": {"application/json": {"example": NOT_READY.model_dump(mode="json")}},
}


@router.get("/healthz", summary="Is the API alive?")
async def healthz() -> LivenessView:
    """Asks nothing of anything else. Needs no token."""
    return LivenessView(status="alive")


@router.get("/readyz", summary="Can the service do its work?", responses={503: UNREADY})
def readyz(app: App, response: Response) -> ReadinessView:
    """200 when every check is in order, else 503 with the same body. Needs no token."""
    checks = [CheckView.of(check) for check in app.health.execute()]
    ready = all(check.ok for check in checks)
    response.status_code = 200 if ready else 503
    return ReadinessView(ready=ready, checks=checks)
