"""`latticeforge push` against a service, whose uploads go to a hub on loopback."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from orchestrator.adapters.artifacts.folder import FolderArtifacts
from orchestrator.adapters.huggingface.hub import HuggingFaceHub
from orchestrator.adapters.memory.signals import MemoryNotify
from orchestrator.services.publish_result import PublishResult
from tests.integration.hub_server import TOKEN, Fault, serving
from tests.unit.cli.conftest import CommandLine
from tests.unit.cli.conftest import cli as cli
from tests.unit.cli.test_results import with_adapter

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=<...>' to upload raw bytes:DeprecationWarning")


@contextmanager
def uploading(cli: CommandLine, url: str) -> Iterator[None]:
    """A worker that does nothing but the uploads that are due, and hurries the service's clock."""
    service, stop = cli.service, threading.Event()
    artifacts = FolderArtifacts(service.home / "runs")
    publish = PublishResult(service.store, artifacts, HuggingFaceHub(url, TOKEN), service.clock, MemoryNotify())

    def work() -> None:
        while not stop.wait(0.05):
            service.clock.advance(1)
            for run_id in service.store.due_publications(service.clock.now(), 1):
                publish.execute(run_id)

    worker = threading.Thread(target=work)
    worker.start()
    try:
        yield
    finally:
        stop.set()
        worker.join()


def test_a_push_is_waited_for_until_it_is_there(cli: CommandLine) -> None:
    run_id = with_adapter(cli)
    with serving() as hub, uploading(cli, hub.url):
        hub.faults = [Fault("/repos/create", 503, times=1, body={"error": "maintenance"})]
        result = cli("push", run_id, "me/it", "--public")
        assert result.exit_code == 0, result.output
        assert result.stdout.strip() == f"{hub.url}/me/it"
        assert "queued" in result.stderr
        assert not hub.repos["me/it"].private
        assert set(hub.repos["me/it"].files) == {"adapter_model.safetensors", "README.md"}


def test_a_push_that_fails_says_why_and_exits_1(cli: CommandLine) -> None:
    run_id = with_adapter(cli)
    with serving() as hub, uploading(cli, hub.url):
        hub.faults = [Fault("/repos/create", 403, body={"error": "no write access"})]
        result = cli("push", run_id, "them/it")
    assert result.exit_code == 1
    assert "no write access" in result.stderr


def test_a_push_that_is_refused_names_the_field_and_exits_2(cli: CommandLine) -> None:
    result = cli("push", with_adapter(cli), "nowhere")
    assert result.exit_code == 2
    assert "repo: must be owner/name" in result.stderr
