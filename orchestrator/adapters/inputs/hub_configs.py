"""The `config.json` of a model on a hub, fetched so that nobody waits long for a network that is not there."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from huggingface_hub import constants, hf_hub_url, try_to_load_from_cache

PATIENCE_SECONDS = 2.0
"""What a caller waits at most. The fetch goes on behind its back, and its answer is there for the next one."""
FAILURE_SECONDS = 300.0
"""So long an id whose config could not be had is not asked for again."""
SUCCESS_SECONDS = 3600.0
MOST_BYTES = 4 << 20
MOST_KEPT = 256
MOST_AT_ONCE = 8
CONFIG = "config.json"


@dataclass(frozen=True, slots=True)
class HubConfig:
    """A config, or why there is none."""

    values: Mapping[str, object] | None
    reason: str = ""


@dataclass(slots=True)
class _Asked:
    """One id: since when it is asked, its answer and until when that counts, in monotonic seconds."""

    since: float
    good_until: float
    answer: HubConfig | None = None
    settled: threading.Event = field(default_factory=threading.Event)


class HubConfigs:
    """Configs from the hub at `endpoint`, read with `token` where one is needed; from the hub's cache on this machine
    when they are there. Never raises. Several threads may ask."""

    def __init__(
        self, endpoint: str, token: str | None = None, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._endpoint = endpoint.rstrip("/")
        self._token = token
        self._monotonic = monotonic
        self._turn = threading.Lock()
        self._asked: dict[str, _Asked] = {}
        self._under_way = threading.Semaphore(MOST_AT_ONCE)

    def get(self, hub_id: str) -> HubConfig:
        """The config of the model `hub_id`, an `owner/name`, within `PATIENCE_SECONDS`."""
        asked, is_first = self._ask(hub_id)
        if is_first:
            self._start(hub_id, asked)
        # Who asks after another gave up waits no second time.
        asked.settled.wait(max(0.0, asked.since + PATIENCE_SECONDS - self._monotonic()))
        return asked.answer or HubConfig(None, f"the hub has not answered within {PATIENCE_SECONDS:g} s")

    def _ask(self, hub_id: str) -> tuple[_Asked, bool]:
        now = self._monotonic()
        with self._turn:
            asked = self._asked.get(hub_id)
            if asked is not None and now < asked.good_until:
                return asked, False
            asked = self._asked[hub_id] = _Asked(now, now + FAILURE_SECONDS)
            if len(self._asked) > MOST_KEPT:
                del self._asked[next(iter(self._asked))]
        return asked, True

    def _start(self, hub_id: str, asked: _Asked) -> None:
        if not self._under_way.acquire(blocking=False):
            asked.answer, asked.good_until = HubConfig(None, "too many configs are being fetched"), 0.0
            asked.settled.set()
            return
        threading.Thread(target=self._settle, args=(hub_id, asked), daemon=True, name="hub-config").start()

    def _settle(self, hub_id: str, asked: _Asked) -> None:
        try:
            asked.answer = self._found(hub_id)
            if asked.answer.values is not None:
                asked.good_until = self._monotonic() + SUCCESS_SECONDS
        finally:
            self._under_way.release()
            asked.settled.set()

    def _found(self, hub_id: str) -> HubConfig:
        try:
            cached = try_to_load_from_cache(hub_id, CONFIG)
            if isinstance(cached, str):
                return _parsed(Path(cached).read_bytes()[: MOST_BYTES + 1])
            if constants.HF_HUB_OFFLINE:
                return HubConfig(None, "the hub is not asked: HF_HUB_OFFLINE is set")
            return self._fetched(hub_id)
        except Exception as error:  # noqa: BLE001 - whatever a network or the client brings forth, a run goes on without
            return HubConfig(None, f"the hub cannot be asked: {type(error).__name__}")

    def _fetched(self, hub_id: str) -> HubConfig:
        url = hf_hub_url(hub_id, CONFIG, endpoint=self._endpoint)
        headers = {"authorization": f"Bearer {self._token}"} if self._token else {}
        with (
            httpx.Client(timeout=PATIENCE_SECONDS, follow_redirects=True, headers=headers) as client,
            client.stream("GET", url) as answer,
        ):
            if answer.status_code != httpx.codes.OK:
                return HubConfig(None, f"the hub answers {answer.status_code} for its {CONFIG}")
            return _parsed(_bounded(answer))


def _bounded(answer: httpx.Response) -> bytes:
    """The answer's bytes, no more of them than a config may have and one."""
    raw = b""
    for piece in answer.iter_bytes():
        raw += piece
        if len(raw) > MOST_BYTES:
            break
    return raw


def _parsed(raw: bytes) -> HubConfig:
    if len(raw) > MOST_BYTES:
        return HubConfig(None, f"its {CONFIG} is larger than {MOST_BYTES >> 20} MiB")
    try:
        values = json.loads(raw)
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        return HubConfig(None, f"its {CONFIG} cannot be read")
    return HubConfig(values)
