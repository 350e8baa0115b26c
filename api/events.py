"""The live view of a run: its journal as server-sent events, resumable by the journal's own sequence numbers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from anyio.to_thread import run_sync
from sse_starlette import EventSourceResponse, ServerSentEvent

from api.schemas.journal import EndView, EventView
from orchestrator.bootstrap import Application
from orchestrator.domain.ids import RunId
from orchestrator.domain.lifecycle import RunStatus

PAGE = 500
HEARTBEAT_SECONDS = 10
PATIENCE_SECONDS = 3.0
"""What a bell that did not ring costs a watcher."""
SEND_SECONDS = 30.0
"""A watcher that takes nothing for so long is let go; it resumes by itself when it comes back."""


def event_stream(application: Application, run_id: RunId, after: int) -> EventSourceResponse:
    """Everything after entry `after`, then what happens; ends after an `end` event once the run has ended."""
    return EventSourceResponse(
        run_events(application, run_id, after),
        ping=HEARTBEAT_SECONDS,
        ping_message_factory=lambda: ServerSentEvent(comment="still here", sep="\n"),
        send_timeout=SEND_SECONDS,
        sep="\n",
    )


async def run_events(application: Application, run_id: RunId, after: int) -> AsyncIterator[ServerSentEvent]:
    """The events themselves. Reads in threads, and holds no connection while it waits."""
    while True:
        # The bell is listened for before the journal is read, so that what rings in between is heard.
        bell = asyncio.create_task(application.changes.wait(run_id, PATIENCE_SECONDS))
        try:
            await asyncio.sleep(0)
            # The status before the journal too: what an ended run's journal holds then is all of it.
            run = (await run_sync(application.read.one, run_id)).run
            entries = await run_sync(application.read.journal, run_id, after, PAGE)
            for stored in entries:
                yield _event(EventView.of(stored))
                after = stored.seq
            if len(entries) == PAGE:
                continue
            if run.status is RunStatus.ENDED:
                end = EndView(status=run.status, outcome=run.outcome, reason=run.reason)
                yield ServerSentEvent(end.model_dump_json(), event="end", sep="\n")
                return
            await bell
        finally:
            bell.cancel()


def _event(view: EventView) -> ServerSentEvent:
    return ServerSentEvent(view.model_dump_json(), event=view.kind.value, id=str(view.seq), sep="\n")
