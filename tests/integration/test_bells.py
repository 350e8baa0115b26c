"""Wake-ups and notices with a real Redis server: rung, lost, and never in anybody's way."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import redis

from orchestrator.adapters.celery.wakeup import QUEUE, UPLOAD_RESULT, CeleryWakeup
from orchestrator.adapters.redis.changes import RedisChanges, RedisNotify
from orchestrator.domain.ids import RunId
from workers.embedded_redis import EmbeddedRedis, ask
from workers.part import kill, start

RUN, OTHER = RunId("run_000000000001"), RunId("run_000000000002")


class Server:
    """An embedded server that can be killed, frozen and started again under the same address."""

    def __init__(self, folder: Path) -> None:
        self._embedded = EmbeddedRedis(folder)
        self._log = folder / "redis.log"
        self.url = self._embedded.url
        self.start()

    def start(self) -> None:
        self.process: subprocess.Popen[bytes] = start(self._embedded.part(), self._log)
        deadline = time.monotonic() + 20
        while True:
            try:
                ask(self.url)
                return
            except redis.RedisError:
                assert time.monotonic() < deadline, self._log.read_text()
                time.sleep(0.05)

    def kill(self) -> None:
        kill(self.process)
        self.process.wait()

    def freeze(self) -> None:
        os.kill(self.process.pid, signal.SIGSTOP)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    running = Server(tmp_path)
    yield running
    running.kill()


@pytest.fixture
def silent_url() -> Iterator[str]:
    """A server that takes connections and never says a word."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}/0"


def messages(server: Server) -> list[str]:
    """The runs that wake-ups in the queue name."""
    with redis.Redis.from_url(server.url) as client:
        found = [json.loads(text) for text in client.lrange(QUEUE, 0, -1)]
    return [str(message["headers"]["argsrepr"]) for message in found]


def test_a_wake_up_is_a_message_for_the_worker(server: Server) -> None:
    CeleryWakeup(server.url).wake(RUN)
    assert messages(server) == [f"('{RUN}',)"]


def test_an_upload_is_asked_for_by_a_message_of_its_own(server: Server) -> None:
    CeleryWakeup(server.url).upload(RUN)
    assert messages(server) == [f"('{RUN}',)"]
    with redis.Redis.from_url(server.url) as client:
        (text,) = client.lrange(QUEUE, 0, -1)
    assert json.loads(text)["headers"]["task"] == UPLOAD_RESULT


def test_wake_ups_are_heard_again_after_the_server_was_killed(server: Server) -> None:
    wakeup = CeleryWakeup(server.url)
    wakeup.wake(RUN)
    server.kill()
    wakeup.wake(RUN)
    server.start()
    wakeup.wake(OTHER)
    wakeup.wake(OTHER)
    assert f"('{OTHER}',)" in messages(server)


@pytest.mark.parametrize("address", ["none", "refused", "silent", "frozen"])
def test_a_bell_returns_within_a_second_whatever_the_server_does(address: str, server: Server, silent_url: str) -> None:
    urls = {"none": None, "refused": "redis://127.0.0.1:9/0", "silent": silent_url, "frozen": server.url}
    wakeup, notify = CeleryWakeup(urls[address]), RedisNotify(urls[address])
    if address == "frozen":
        wakeup.wake(RUN)
        notify.changed(RUN)
        server.freeze()
    for ring in (wakeup.wake, notify.changed, wakeup.upload, notify.changed):
        started = time.monotonic()
        ring(RUN)
        assert time.monotonic() - started < 1.0


async def seconds_waited(changes: RedisChanges, seconds: float) -> float:
    started = time.monotonic()
    await changes.wait(RUN, seconds)
    return time.monotonic() - started


def test_a_watcher_is_woken_by_a_change_of_its_run_and_not_by_another(server: Server) -> None:
    async def scene() -> None:
        changes, notify = RedisChanges(server.url), RedisNotify(server.url)
        await changes.wait(RUN, 1.0)
        waiting = asyncio.create_task(seconds_waited(changes, 20.0))
        await asyncio.sleep(0.5)
        notify.changed(OTHER)
        await asyncio.sleep(0.5)
        assert not waiting.done()
        notify.changed(RUN)
        assert await waiting < 3.0

    asyncio.run(scene())


def test_many_watchers_share_one_subscription(server: Server) -> None:
    async def scene() -> None:
        changes, notify = RedisChanges(server.url), RedisNotify(server.url)
        await changes.wait(RUN, 1.0)
        waiting = [asyncio.create_task(changes.wait(RUN, 20.0)) for _ in range(50)]
        await asyncio.sleep(0.3)
        with redis.Redis.from_url(server.url) as client:
            assert client.pubsub_numsub("latticeforge:changes")[0][1] == 1
        notify.changed(RUN)
        await asyncio.wait_for(asyncio.gather(*waiting), 3.0)

    asyncio.run(scene())


@pytest.mark.parametrize("address", ["none", "refused", "silent"])
def test_without_a_bell_a_watcher_looks_every_second(address: str, silent_url: str) -> None:
    async def scene() -> None:
        changes = RedisChanges({"none": None, "refused": "redis://127.0.0.1:9/0", "silent": silent_url}[address])
        for _ in range(2):
            assert await seconds_waited(changes, 20.0) < 2.0

    asyncio.run(scene())


def test_a_watcher_hears_the_bell_again_after_the_server_was_killed(server: Server) -> None:
    async def scene() -> None:
        changes, notify = RedisChanges(server.url), RedisNotify(server.url)
        await changes.wait(RUN, 1.0)
        await asyncio.to_thread(server.kill)
        assert await seconds_waited(changes, 3.0) < 3.5
        await asyncio.to_thread(server.start)
        deadline = time.monotonic() + 15
        while True:
            waiting = asyncio.create_task(seconds_waited(changes, 10.0))
            await asyncio.sleep(0.3)
            await asyncio.to_thread(notify.changed, RUN)
            if await waiting < 0.9:
                return
            assert time.monotonic() < deadline, "the subscription did not come back"

    asyncio.run(scene())
