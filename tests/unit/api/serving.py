"""The API on the memory adapters, and a client that holds every answer against the OpenAPI document."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import jsonschema
from anyio.from_thread import BlockingPortal
from fastapi import FastAPI
from pydantic import SecretStr

from api.app import create_app
from orchestrator.adapters.artifacts.folder import FolderArtifacts
from orchestrator.adapters.axolotl.trainer import AxolotlTrainer
from orchestrator.adapters.catalog.prices import CatalogPrices, CatalogSources
from orchestrator.adapters.huggingface.hub import HuggingFaceHub
from orchestrator.adapters.inputs.folders import FolderInputs
from orchestrator.adapters.inputs.uploads import FolderDatasets
from orchestrator.adapters.local.prices import LocalPrices
from orchestrator.adapters.memory.clock import ManualClock
from orchestrator.adapters.memory.compute import MemoryCompute
from orchestrator.adapters.memory.ids import SequenceIds
from orchestrator.adapters.memory.signals import MemoryNotify, MemoryWakeup
from orchestrator.adapters.memory.store import MemoryStore
from orchestrator.adapters.memory.world import World
from orchestrator.adapters.redis.changes import RedisChanges
from orchestrator.bootstrap import Application, Ports, assemble
from orchestrator.domain.budget import Allowances
from orchestrator.domain.ids import RunId
from orchestrator.domain.lifecycle import RunStatus
from orchestrator.domain.run import Run
from orchestrator.ports.artifacts import Artifacts
from orchestrator.ports.hub import Hub
from orchestrator.settings import Settings

ROWS = 40
WISH: dict[str, Any] = {"strategy": "lora", "budget": "0.50"}


@dataclass(slots=True)
class Service:
    """The application with the parts of it that tests move."""

    application: Application
    clock: ManualClock
    store: MemoryStore
    compute: MemoryCompute
    home: Path

    def tick(self, run_id: str, times: int = 1, seconds: float = 1.0) -> None:
        for _ in range(times):
            self.clock.advance(seconds)
            self.application.advance.execute(RunId(run_id))

    def until(self, run_id: str, reached: Callable[[Run], bool]) -> None:
        for _ in range(2000):
            self.tick(run_id)
            if reached(self.store.load(RunId(run_id)).run):
                return
        raise AssertionError(f"{run_id} did not get there")

    def until_ended(self, run_id: str) -> None:
        self.until(run_id, lambda run: run.status is RunStatus.ENDED)

    def until_training(self, run_id: str) -> None:
        """Some steps into the training."""
        self.until(run_id, lambda run: run.current_stage is not None and run.current_stage.step > 3)


NO_HUB = "http://127.0.0.1:9"


def make_service(
    home: Path,
    api_token: str | None = None,
    host: str = "127.0.0.1",
    hub: Hub | None = None,
    artifacts: Artifacts | None = None,
    **more: Any,
) -> Service:
    """A service whose model and dataset lie in `home`; `local_gpus=0`, so that nothing asks for a driver. Without a
    `hub` it has a token for one that does not answer."""
    model, dataset = make_inputs(home)
    settings = Settings(
        home=home, host=host, local_gpus=0, api_token=None if api_token is None else SecretStr(api_token), **more
    )
    clock = ManualClock()
    store = MemoryStore()
    compute = MemoryCompute(clock, World(provision_seconds=2, startup_seconds=2, teardown_seconds=1))
    ports = Ports(
        store=store,
        compute=compute,
        trainer=AxolotlTrainer("cpu"),
        prices=LocalPrices(4_000_000, Allowances(2, 8, 3), 15, clock, gpus=0),
        clouds=CatalogPrices(CatalogSources(home / "prices" / "current.json", settings.price_file), clock),
        inputs=FolderInputs(str(model), str(dataset), None, (home,), uploads=FolderDatasets(settings.uploads)),
        datasets=FolderDatasets(settings.uploads),
        artifacts=artifacts or FolderArtifacts(home / "runs"),
        hub=hub or HuggingFaceHub(NO_HUB, "hf_nothing"),
        clock=clock,
        ids=SequenceIds(),
        wakeup=MemoryWakeup(),
        notify=MemoryNotify(),
        changes=RedisChanges(None),
        probes={"disk": lambda: str(home)},
    )
    return Service(assemble(settings, ports), clock, store, compute, home)


def make_inputs(home: Path) -> tuple[Path, Path]:
    """A model folder as small as the inputs adapter accepts, and a dataset of `ROWS` rows."""
    model = home / "model"
    model.mkdir(parents=True)
    (model / "config.json").write_text(json.dumps({"model_type": "llama", "max_position_embeddings": 512}))
    (model / "tokenizer.json").write_text("{}")
    header = json.dumps({"weight": {"dtype": "F32", "shape": [64, 64], "data_offsets": [0, 64 * 64 * 4]}}).encode()
    (model / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(64 * 64 * 4))
    dataset = home / "rows.jsonl"
    row = json.dumps({"instruction": "say hello", "input": "", "output": "hello"})
    dataset.write_text(f"{row}\n" * ROWS)
    return model, dataset


_DOCUMENTS: list[dict[str, Any]] = []


def the_document(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, which is the same for every service: made once, since it takes its time."""
    if not _DOCUMENTS:
        _DOCUMENTS.append(app.openapi())
    return _DOCUMENTS[0]


class _PortalTransport(httpx.BaseTransport):
    """ASGI for a synchronous client: Starlette's own test client wants a library that the service does not have."""

    def __init__(self, app: FastAPI, portal: BlockingPortal) -> None:
        self._asgi = httpx.ASGITransport(app, raise_app_exceptions=False)
        self._portal = portal

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        return self._portal.call(self._answer, request)

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        response = await self._asgi.handle_async_request(request)
        content = await response.aread()
        return httpx.Response(response.status_code, headers=response.headers, content=content)


class Client(httpx.Client):
    """Asserts of every answer that the document foresees it: status, media type and body."""

    def __init__(self, service: Service, portal: BlockingPortal, **more: Any) -> None:
        app = create_app(service.application)
        self.document = the_document(app)
        super().__init__(
            transport=_PortalTransport(app, portal),
            base_url="http://127.0.0.1:8000",
            event_hooks={"response": [self._check]},
            **more,
        )

    def submit(self, **wish: Any) -> dict[str, Any]:
        answer = self.post("/runs", json={**WISH, **wish})
        assert answer.status_code == 201, answer.text
        body: dict[str, Any] = answer.json()
        return body

    def _check(self, response: httpx.Response) -> None:
        response.read()
        operation = self._operation(response.request)
        if operation is None:
            assert response.status_code >= 400
            self._check_body(response, {"$ref": "#/components/schemas/Problem"})
            return
        foreseen = operation["responses"]
        described = foreseen.get(str(response.status_code), foreseen["default"])
        media = response.headers["content-type"].split(";")[0]
        assert media in described["content"], (response.status_code, media)
        if media.endswith("json"):
            self._check_body(response, described["content"][media]["schema"])

    def _check_body(self, response: httpx.Response, schema: dict[str, Any]) -> None:
        body = json.loads(response.content, parse_constant=_no_constant)
        jsonschema.Draft202012Validator({**schema, "components": self.document["components"]}).validate(body)
        if response.status_code >= 400 and response.headers["content-type"] == "application/problem+json":
            assert body["status"] == response.status_code

    def _operation(self, request: httpx.Request) -> dict[str, Any] | None:
        for path, item in self.document["paths"].items():
            pattern = re.sub(r"\\\{(\w+)\\\}", lambda name: ".+" if name[1] == "path" else "[^/]+", re.escape(path))
            operation = item.get(request.method.lower())
            if operation is not None and re.fullmatch(pattern, request.url.path):
                found: dict[str, Any] = operation
                return found
        return None


def _no_constant(name: str) -> None:
    raise AssertionError(f"{name} is not JSON")


def fields(answer: httpx.Response) -> dict[str, str]:
    """The fields that a problem names, with what is wrong with each."""
    return {each["field"]: each["message"] for each in answer.json()["errors"]}
