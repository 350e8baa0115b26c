"""A run that ended with an adapter, on SQLite and a disk, and the use cases that publish it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from orchestrator.adapters.artifacts.folder import FolderArtifacts
from orchestrator.adapters.db.migrate import migrate
from orchestrator.adapters.db.store import SqlStore
from orchestrator.adapters.huggingface.hub import HuggingFaceHub
from orchestrator.adapters.memory.clock import ManualClock
from orchestrator.adapters.memory.signals import MemoryNotify, MemoryWakeup
from orchestrator.domain.ids import RunId
from orchestrator.domain.publication import Publication
from orchestrator.ports.store import RunChange
from orchestrator.services.publish_result import PublishResult
from orchestrator.services.push_result import PushResult
from tests.integration.hub_server import TOKEN, Hub
from tests.unit.domain.card_examples import facts

RUN = RunId("run_abcdefghijkl")
WEIGHTS = os.urandom(3_000_000)
KEPT = {
    "01-train/output/adapter_model.safetensors": WEIGHTS,
    "01-train/output/adapter_config.json": b'{"peft_type": "LORA"}',
    "01-train/output/tokenizer.json": b"{}" * 2000,
    "01-train/output/tokenizer_config.json": b"{}",
    "01-train/attempt-1/config.yaml": b"lora_r: 8\n",
}
LEFT = {
    "01-train/output/optimizer.pt": b"state", "01-train/output/README.md": b"the trainer's own",
    "01-train/output/checkpoint-2/adapter_model.safetensors": b"older", "01-train/attempt-1/log.txt": b"log",
    "01-train/attempt-1/job.json": b"{}", "02-evaluate/attempt-1/log.txt": b"log", "data/train.jsonl": b"rows",
}  # fmt: skip


@dataclass
class Site:
    """A service's parts around one run that ended with an adapter."""

    home: Path
    hub: Hub
    store: SqlStore
    clock: ManualClock
    wakeup: MemoryWakeup
    token: str = TOKEN

    @property
    def artifacts(self) -> FolderArtifacts:
        return FolderArtifacts(self.home / "runs")

    @property
    def client(self) -> HuggingFaceHub:
        return HuggingFaceHub(self.hub.url, self.token)

    def ask(self, repo: str = "me/it", *, private: bool = True) -> None:
        push = PushResult(self.store, self.artifacts, self.client, self.clock, self.wakeup, MemoryNotify())
        push.execute(RUN, repo, private=private)

    def upload(self) -> Publication:
        PublishResult(self.store, self.artifacts, self.client, self.clock, MemoryNotify()).execute(RUN)
        return self.publication

    def push(self, repo: str = "me/it", *, private: bool = True) -> Publication:
        self.ask(repo, private=private)
        return self.upload()

    @property
    def publication(self) -> Publication:
        found = self.store.load(RUN).run.publication
        assert found is not None
        return found

    @property
    def notes(self) -> list[str]:
        return [str(each.entry.data.get("message")) for each in self.store.journal(RUN, 0, 1000)]

    def put(self, path: str, content: bytes) -> Path:
        target = self.home / "runs" / RUN / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        return target

    def change(self, **fields: Any) -> None:
        run = self.store.load(RUN).run
        self.store.save(RunChange(replace(run, **fields)))


@contextmanager
def site_at(home: Path, hub: Hub) -> Iterator[Site]:
    """The parts of a service on `home`, with files of all kinds beside the adapter."""
    url = f"sqlite:///{home / 'runs.db'}"
    migrate(url)
    store = SqlStore(url)
    site = Site(home, hub, store, ManualClock(), MemoryWakeup())
    for path, content in {**KEPT, **LEFT}.items():
        site.put(path, content)
    ended = facts(str(home / "runs" / RUN / "01-train" / "output"))
    run = store.create(RunChange(replace(ended.run, version=0)), None)
    store.save(RunChange(run, ended.leases[0], ended.postings))
    try:
        yield site
    finally:
        store.database.close()
