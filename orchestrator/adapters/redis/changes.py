"""One channel for all runs: who saves a run names it there; who watches runs waits for its name.

A process subscribes once, however many watch in it, so that a thousand open pages cost one connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections import defaultdict

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry

from orchestrator.domain.ids import RunId

log = logging.getLogger(__name__)

CHANNEL = "latticeforge:changes"
SOCKET_SECONDS = 0.3
RESUBSCRIBE_SECONDS = 1.0
LISTEN_SECONDS = 5.0
"""How long a silent subscription is trusted before it is asked whether it still lives."""
POLL_SECONDS = 1.0
"""How long `wait` waits at most while no bell can be heard."""


class RedisNotify:
    """`changed` returns within a second and never raises."""

    def __init__(self, redis_url: str | None) -> None:
        self._redis = (
            redis.Redis.from_url(
                redis_url,
                socket_timeout=SOCKET_SECONDS,
                socket_connect_timeout=SOCKET_SECONDS,
                retry=Retry(NoBackoff(), 0),
                max_connections=4,
            )
            if redis_url
            else None
        )

    def changed(self, run_id: RunId) -> None:
        if self._redis is None:
            return
        try:
            self._redis.publish(CHANNEL, run_id)
        except (redis.RedisError, OSError) as error:
            log.warning("watchers of %s were not told, they look by themselves: %s", run_id, error)


class RedisChanges:
    """`wait` returns when the run has changed, after `seconds`, or, while Redis is away, after `POLL_SECONDS`."""

    def __init__(self, redis_url: str | None) -> None:
        self._url = redis_url
        self._lock = threading.Lock()
        self._ears: dict[asyncio.AbstractEventLoop, _Ear] = {}

    async def wait(self, run_id: RunId, seconds: float) -> None:
        if self._url is None:
            await asyncio.sleep(min(seconds, POLL_SECONDS))
            return
        await self._ear(self._url).wait(run_id, seconds)

    def _ear(self, url: str) -> _Ear:
        """This event loop's subscription: a socket of one loop cannot be read from another."""
        loop = asyncio.get_running_loop()
        with self._lock:
            for gone in [each for each in self._ears if each.is_closed()]:
                del self._ears[gone]
            if loop not in self._ears:
                self._ears[loop] = _Ear(url)
            return self._ears[loop]


class _Ear:
    """The subscription of one event loop; it listens while somebody waits and for a while after."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._waiting: dict[RunId, set[asyncio.Event]] = defaultdict(set)
        self._listening = False
        self._task: asyncio.Task[None] | None = None

    async def wait(self, run_id: RunId, seconds: float) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._listen())
        rung = asyncio.Event()
        self._waiting[run_id].add(rung)
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds if self._listening else min(seconds, POLL_SECONDS)):
                    await rung.wait()
        finally:
            self._waiting[run_id].discard(rung)
            if not self._waiting[run_id]:
                del self._waiting[run_id]

    async def _listen(self) -> None:
        """Listen until nobody has waited for `LISTEN_SECONDS`; come back after every loss of the connection."""
        while True:
            try:
                await self._subscribe()
                return
            except (redis.RedisError, OSError) as error:
                log.warning("changes are looked for by polling: %s", error)
            finally:
                self._listening = False
            if not self._waiting:
                return
            await asyncio.sleep(RESUBSCRIBE_SECONDS)

    async def _subscribe(self) -> None:
        client = redis.asyncio.Redis.from_url(
            self._url,
            socket_connect_timeout=SOCKET_SECONDS,
            socket_timeout=SOCKET_SECONDS,
            retry=AsyncRetry(NoBackoff(), 0),
        )
        async with client, client.pubsub(ignore_subscribe_messages=True) as ear:
            await ear.subscribe(CHANNEL)
            # What rang before the subscription stood was not heard: everybody looks once.
            self._listening = True
            self._ring_all()
            while await self._hear(ear):
                pass

    async def _hear(self, ear: redis.asyncio.client.PubSub) -> bool:
        """One message, or a proof that the silence is a live server's. Returns whether to go on listening."""
        message = await ear.get_message(timeout=LISTEN_SECONDS)
        if message is not None and message["type"] == "message":
            self._ring(RunId(bytes(message["data"]).decode(errors="replace")))
            return True
        if not self._waiting:
            return False
        await ear.ping()
        pong = await ear.get_message(ignore_subscribe_messages=False, timeout=LISTEN_SECONDS)
        if pong is None:
            raise redis.TimeoutError("the server is silent")
        if pong["type"] == "message":
            self._ring(RunId(bytes(pong["data"]).decode(errors="replace")))
        return True

    def _ring(self, run_id: RunId) -> None:
        for rung in self._waiting.get(run_id, ()):
            rung.set()

    def _ring_all(self) -> None:
        for run_id in list(self._waiting):
            self._ring(run_id)
