"""The problem types, so that the `type` of a problem leads somewhere."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from api.errors import IMPOSSIBLE, STATUS_OF, ProblemType
from api.json_body import StrictRoute
from api.schemas.problem import ProblemTypeView, documented
from orchestrator.domain.errors import NotFoundError

router = APIRouter(tags=["problems"], route_class=StrictRoute)

_KINDS: tuple[tuple[ProblemType, str], ...] = (
    *((kind, (error.__doc__ or "").strip()) for error, kind in STATUS_OF.items()),
    (IMPOSSIBLE, "No plan fits the limits, and no sum of money would help."),
)


@router.get("/problems/{slug}", summary="Read what a problem means", responses=documented(404))
async def problem(
    slug: Annotated[str, Path(description="The end of `type`.", examples=["conflict"])],
) -> ProblemTypeView:
    """The meaning of one of the service's own problem types."""
    found = next(((kind, meaning) for kind, meaning in _KINDS if kind.slug == slug), None)
    if found is None:
        raise NotFoundError("problem type", slug[:80])
    kind, meaning = found
    return ProblemTypeView(type=kind.uri, title=kind.title, status=kind.status, meaning=meaning)
