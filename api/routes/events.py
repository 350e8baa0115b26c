"""A run, live."""

from __future__ import annotations

from typing import Annotated

from anyio.to_thread import run_sync
from fastapi import APIRouter, Header, Query, Response
from sse_starlette import EventSourceResponse

from api.dependencies import App, RunIdPath
from api.events import event_stream
from api.json_body import StrictRoute
from api.schemas.examples import EVENT_TEXT
from api.schemas.problem import documented
from api.schemas.queries import EventsQuery, Seq

router = APIRouter(tags=["runs"], route_class=StrictRoute)
STREAM = {
    "description": "Server-sent events: `id` is the entry's `seq`, `event` its kind (status, plan, stage, metric, "
    "ledger, note) or `end`, `data` an EventView as JSON. A comment every 10 seconds keeps the connection open.",
    "content": {"text/event-stream": {"schema": {"type": "string"}, "example": EVENT_TEXT}},
}


@router.get(
    "/runs/{run_id}/events",
    summary="Watch a run",
    response_class=EventSourceResponse,
    responses={**documented(404, 422), 200: STREAM},
)
async def watch(
    run_id: RunIdPath,
    query: Annotated[EventsQuery, Query()],
    app: App,
    last_event_id: Annotated[
        Seq | None, Header(alias="Last-Event-ID", description="The `id` of the last event that arrived.")
    ] = None,
) -> Response:
    """Everything that happened to the run and happens to it, each entry once. A client that comes back with
    `Last-Event-ID` goes on where it was. After the `end` event there is nothing more to come."""
    await run_sync(app.read.one, run_id)
    return event_stream(app, run_id, query.after if last_event_id is None else last_event_id)
