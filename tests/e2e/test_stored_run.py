"""A whole run whose files go to an S3 server, and whose machine's disk is lost afterwards."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.demonstration import PATIENCE, assert_settled, wish
from tests.e2e.service import WholeService
from tests.s3_site import S3Site, s3_site

pytestmark = [pytest.mark.e2e, pytest.mark.trainer]


@pytest.fixture
def site() -> Iterator[S3Site]:
    with s3_site() as running:
        yield running


@pytest.fixture
def service(site: S3Site, demonstration: Path, tmp_path: Path) -> Iterator[WholeService]:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    shutil.copytree(demonstration, home / "demo")
    place = {"LATTICEFORGE_ARTIFACTS_URL": site.url, "LATTICEFORGE_ARTIFACTS_ENDPOINT_URL": site.endpoint_url}
    running = WholeService(home, {**place, **site.environment})
    try:
        running.await_alive("database", "worker", "beat", "guard", "trainer", "demonstration")
        yield running
    finally:
        running.stop()


def test_a_result_is_served_from_the_store_when_the_machines_disk_is_gone(service: WholeService, site: S3Site) -> None:
    run_id = service.submit(**wish("lora", num_epochs=1))
    document = service.await_end(run_id, PATIENCE)
    assert document["outcome"] == "completed", document["reason"]
    assert_settled(service, run_id, "50")
    runs = service.home / "runs" / run_id
    attempts = [path.parent for path in runs.glob("*/attempt-*/exit.json")]
    assert len(attempts) == len(document["stages"])
    adapter = next(runs.glob("*/output/adapter_model.safetensors"))
    path, content = adapter.relative_to(runs).as_posix(), adapter.read_bytes()
    log = service.http.get(f"/runs/{run_id}/logs").json()["text"]
    secret = site.environment["AWS_SECRET_ACCESS_KEY"].encode()
    texts = [*runs.rglob("*.json*"), *runs.rglob("*.txt"), *runs.rglob("*.log"), *runs.rglob("*.yaml"), service.output]
    assert not any(secret in text.read_bytes() for text in texts)

    shutil.rmtree(runs)
    listed = service.http.get(f"/runs/{run_id}/artifacts", params={"only": "result"}).json()["artifacts"]
    assert path in [each["path"] for each in listed]
    assert service.http.get(f"/runs/{run_id}/artifacts/{path}").content == content
    assert service.http.get(f"/runs/{run_id}/logs").json()["text"].split("\n")[0] == log.split("\n")[0]
    page = service.http.get(f"/r/{run_id}")
    assert page.status_code == 200
    assert path in page.text
