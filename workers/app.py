"""The Celery application of worker and beat. Its messages say "look at this run"; truth is in the database.

One process with a pool of threads: `kill -9` of the worker leaves no child behind that would go on with half a tick.
"""

from __future__ import annotations

import logging

from celery import Celery
from celery.signals import setup_logging

from orchestrator.settings import Settings
from workers.lazy import LazyApplication

QUEUE = "latticeforge"
THREADS = 4
VISIBILITY_SECONDS = 60
"""A tick takes seconds. One whose worker died is delivered again after this, and by then does nothing twice."""
SOCKET_SECONDS = 5
"""No wait for the broker is longer, so that a connection that died without a word is noticed."""
NO_BROKER = "redis://127.0.0.1:1/0"
"""Nothing listens there: without an address, worker and beat keep trying and say so in their logs."""


def make_app(settings: Settings) -> Celery:
    """A Celery application that survives every loss of its broker and stores no results."""
    celery = Celery("latticeforge", broker=settings.redis_url or NO_BROKER, include=["workers.tasks"])
    celery.conf.update(
        accept_content=["json"],
        task_serializer="json",
        result_serializer="json",
        task_ignore_result=True,
        task_default_queue=QUEUE,
        task_acks_late=True,
        task_publish_retry=False,
        worker_pool="threads",
        worker_concurrency=THREADS,
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        worker_send_task_events=False,
        worker_cancel_long_running_tasks_on_connection_loss=True,
        worker_enable_remote_control=False,
        # A restart of the broker is an everyday event here, so there is no number of tries after which to give up.
        broker_connection_retry=True,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_connection_timeout=SOCKET_SECONDS,
        broker_transport_options={
            "visibility_timeout": VISIBILITY_SECONDS,
            "socket_timeout": SOCKET_SECONDS,
            "socket_connect_timeout": SOCKET_SECONDS,
            "socket_keepalive": True,
            "health_check_interval": SOCKET_SECONDS,
        },
        beat_scheduler="workers.schedule:LivelyScheduler",
        beat_max_loop_interval=1,
        beat_schedule=periodic(settings.tick_seconds),
    )
    return celery


REAP_SECONDS = 30.0


def periodic(tick_seconds: float) -> dict[str, dict[str, object]]:
    """What beat asks for. A message that nobody fetched before the next one was due is dropped: late is useless."""
    return {
        "sweep": {
            "task": "latticeforge.sweep",
            "schedule": tick_seconds,
            "options": {"expires": max(5.0, 2 * tick_seconds)},
        },
        "reap": {"task": "latticeforge.reap", "schedule": REAP_SECONDS, "options": {"expires": REAP_SECONDS}},
    }


@setup_logging.connect  # type: ignore[untyped-decorator]
def log_plainly(**_: object) -> None:
    """One format for all parts. What Celery says about every message would drown what is said about runs."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for chatty in ("celery.worker.strategy", "celery.app.trace", "celery.beat", "httpx"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


settings = Settings()
application = LazyApplication(settings)
app = make_app(settings)
