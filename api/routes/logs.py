"""A run's log."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Query
from fastapi.responses import JSONResponse, PlainTextResponse, Response

from api.dependencies import App, RunIdPath
from api.json_body import StrictRoute
from api.negotiation import prefers
from api.schemas.examples import LOG
from api.schemas.files import LogView
from api.schemas.problem import documented
from api.schemas.queries import LogsQuery
from orchestrator.domain.errors import InvalidInputError

router = APIRouter(tags=["runs"], route_class=StrictRoute)
BOTH_FORMS = {
    "description": "The text, as JSON or plain; as plain text, `X-Next-Offset` says where to go on.",
    "content": {
        "text/plain": {"schema": {"type": "string"}, "example": LOG.text},
    },
}


@router.get(
    "/runs/{run_id}/logs",
    summary="Read a run's log",
    response_model=LogView,
    responses={**documented(404, 422), 200: BOTH_FORMS},
)
def logs(
    run_id: RunIdPath,
    query: Annotated[LogsQuery, Query()],
    app: App,
    accept: Annotated[str, Header(include_in_schema=False)] = "*/*",
) -> Response:
    """The joined log of all stages and attempts, from a byte offset on, or its tail. Ask again with `next_offset` for
    what came since."""
    if query.tail is not None and query.offset is not None:
        raise InvalidInputError.of("tail", "cannot be given together with offset")
    if query.tail is not None:
        piece = app.read.log(run_id, -query.tail, query.tail)
    else:
        piece = app.read.log(run_id, query.offset or 0, query.limit)
    if prefers(accept, "text/plain", over="application/json"):
        return PlainTextResponse(
            piece.text, headers={"X-Next-Offset": str(piece.next_offset), "X-Content-Type-Options": "nosniff"}
        )
    return JSONResponse(LogView.of(piece).model_dump(mode="json"))
