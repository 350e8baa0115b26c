"""The service while the store of its artifacts does not answer: nothing else stops."""

from __future__ import annotations

from pathlib import Path

import pytest
from anyio.from_thread import BlockingPortal

from orchestrator.adapters.artifacts.bucket import Bucket
from orchestrator.adapters.artifacts.folder import FolderArtifacts
from orchestrator.adapters.artifacts.layered import LayeredArtifacts
from orchestrator.adapters.artifacts.store import StoreArtifacts
from tests.unit.api.browsing import Browser
from tests.unit.api.serving import Client, make_service

NOBODY = "http://127.0.0.1:9"


def test_a_runs_page_says_that_the_store_is_away_and_the_api_answers_with_a_problem(
    tmp_path: Path, portal: BlockingPortal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nothing-of-value")
    stored = StoreArtifacts(Bucket("s3://bucket/runs", NOBODY))
    service = make_service(tmp_path, artifacts=LayeredArtifacts(FolderArtifacts(tmp_path / "runs"), stored))
    with Client(service, portal) as client:
        run_id = str(client.submit()["id"])
        with Browser(service, portal) as browser:
            page = browser.get(f"/r/{run_id}")
        assert page.status_code == 200
        assert "The store of artifacts does not answer" in page.text
        answer = client.get(f"/runs/{run_id}/artifacts")
        assert answer.status_code == 502
        assert answer.json()["type"] == "/problems/artifact-store-failed"
        assert "nothing-of-value" not in answer.text
        mine = tmp_path / "runs" / run_id / "01-train" / "output"
        mine.mkdir(parents=True)
        (mine / "adapter.bin").write_bytes(b"here")
        assert client.get(f"/runs/{run_id}/artifacts/01-train/output/adapter.bin").content == b"here"
