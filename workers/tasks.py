"""Celery tasks: shells that call one use case each. What they could not do, the next sweep asks for again."""

from __future__ import annotations

import logging
import threading

from orchestrator.domain.errors import LatticeForgeError
from orchestrator.domain.ids import parse_run_id
from workers.app import app, application
from workers.signs import SignOfLife

log = logging.getLogger(__name__)

MOST_TICKS = 8
"""Ticks in a row for a run that keeps changing, before others have their turn."""

_alive = SignOfLife("worker", application)
_uploading = threading.Lock()
_advancing: set[str] = set()
_advancing_lock = threading.Lock()


@app.task(name="latticeforge.advance_run")  # type: ignore[untyped-decorator] # Celery comes without types
def advance_run(run_id: str) -> None:
    """Move a run as far as the facts allow. One that is being moved is left alone: a look at a cloud takes longer than
    the time between two sweeps, and a second one would only take a thread from the others."""
    with _advancing_lock:
        if run_id in _advancing:
            return
        _advancing.add(run_id)
    try:
        _advance(run_id)
    finally:
        _advancing.discard(run_id)


def _advance(run_id: str) -> None:
    try:
        run = parse_run_id(run_id)
        for _ in range(MOST_TICKS):
            if not application().advance.execute(run):
                return
    except LatticeForgeError as error:
        log.warning("%s was not advanced: %s", run_id, error)


@app.task(name="latticeforge.upload_result")  # type: ignore[untyped-decorator] # Celery comes without types
def upload_result(run_id: str) -> None:
    """Publish a run's result, if that is due. May take hours: one at a time, so that the ticks keep their threads. What
    is not begun now is asked for again by the next sweep."""
    if not _uploading.acquire(blocking=False):
        return
    try:
        application().publish.execute(parse_run_id(run_id))
    except LatticeForgeError as error:
        log.warning("%s was not published: %s", run_id, error)
    finally:
        _uploading.release()


@app.task(name="latticeforge.sweep")  # type: ignore[untyped-decorator] # Celery comes without types
def sweep() -> None:
    """Wake every run that is due. That this runs at all is the worker's sign of life: a worker that is up and does
    no work is not alive."""
    _alive.show()
    application().sweep.execute()


@app.task(name="latticeforge.reap")  # type: ignore[untyped-decorator] # Celery comes without types
def reap() -> None:
    """Tear down every machine of ours that no open lease knows."""
    try:
        application().reap.execute()
    except LatticeForgeError as error:
        log.warning("nothing was reaped: %s", error)
