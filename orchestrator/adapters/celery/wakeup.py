"""Rings the worker's bell. Fire and forget: a wake-up that is lost costs a run one sweep's waiting."""

from __future__ import annotations

import logging
import threading

from celery import Celery
from kombu.exceptions import KombuError

from orchestrator.domain.ids import RunId

log = logging.getLogger(__name__)

ADVANCE_RUN = "latticeforge.advance_run"
UPLOAD_RESULT = "latticeforge.upload_result"
"""The tasks by name, so that whoever sends one needs nothing of the worker's code."""
QUEUE = "latticeforge"
SOCKET_SECONDS = 0.3
"""Connecting and sending together stay below the port's one second."""
STALE_AFTER_SECONDS = 30
"""A tick that nobody fetched by then is dropped by the worker: the sweep has asked again many times since."""


def broker_url(redis_url: str | None) -> str:
    """The broker behind `redis_url`. Without one an address where nothing listens: every wake-up is then lost."""
    return redis_url or "redis://127.0.0.1:1/0"


class CeleryWakeup:
    """Both bells return within a second and never raise, whatever the state of the broker."""

    def __init__(self, redis_url: str | None) -> None:
        self._celery = Celery("latticeforge-wakeup", broker=broker_url(redis_url), set_as_current=False)
        self._celery.conf.update(
            task_serializer="json",
            accept_content=["json"],
            task_ignore_result=True,
            task_default_queue=QUEUE,
            task_publish_retry=False,
            broker_connection_retry=False,
            broker_connection_timeout=SOCKET_SECONDS,
            broker_transport_options={
                "socket_timeout": SOCKET_SECONDS,
                "socket_connect_timeout": SOCKET_SECONDS,
                "retry_on_timeout": False,
                "max_retries": 0,
            },
        )
        # One request at a time: a broker that hangs must not collect every thread of the API.
        self._turn = threading.Lock()

    def wake(self, run_id: RunId) -> None:
        self._ring(ADVANCE_RUN, run_id)

    def upload(self, run_id: RunId) -> None:
        self._ring(UPLOAD_RESULT, run_id)

    def _ring(self, task: str, run_id: RunId) -> None:
        if not self._turn.acquire(timeout=SOCKET_SECONDS):
            log.warning("%s was not woken: the broker is slow; the sweep will", run_id)
            return
        try:
            self._celery.send_task(task, args=(run_id,), expires=STALE_AFTER_SECONDS, retry=False, ignore_result=True)
        except (KombuError, OSError) as error:
            log.warning("%s was not woken, the sweep will: %s", run_id, error)
        except Exception:  # the port promises: a bell never breaks the one who rings it
            log.warning("%s was not woken, the sweep will", run_id, exc_info=True)
        finally:
            self._turn.release()
