"""The adapters of the Artifacts port, each filled as in use: a folder by a job, a store by the node's uploader."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from orchestrator.adapters.artifacts.bucket import Bucket
from orchestrator.adapters.artifacts.folder import FolderArtifacts
from orchestrator.adapters.artifacts.layered import LayeredArtifacts
from orchestrator.adapters.artifacts.store import StoreArtifacts
from orchestrator.ports.artifacts import Artifacts
from tests.s3_site import S3Site, credentials, folder_of, s3_site
from workers.node.store import Store

ADAPTERS = ("folder", "layered_here", "layered_stored", "store_file", "store_memory", "store_s3")


@dataclass(frozen=True, slots=True)
class ArtifactSite:
    """An adapter, and a way to give it a folder of a run: `put(run, folder, files)`."""

    artifacts: Artifacts
    put: Callable[[str, str, Mapping[str, bytes]], None]


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Site]:
    with s3_site() as running, credentials(running):
        yield running


@pytest.fixture(params=ADAPTERS)
def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> ArtifactSite:
    """Each adapter in turn, empty."""
    runs = tmp_path / "runs"
    if request.param in ("folder", "layered_here", "layered_stored"):
        here, stored = FolderArtifacts(runs), _stored(_memory(tmp_path), tmp_path)
        layered = LayeredArtifacts(here, stored.artifacts)
        if request.param == "layered_stored":
            return ArtifactSite(layered, stored.put)
        artifacts = here if request.param == "folder" else layered
        return ArtifactSite(artifacts, lambda run, folder, files: _written(runs / run / folder, files))
    if request.param == "store_s3":
        s3 = request.getfixturevalue("s3")
        s3.empty()
        return _stored(s3.url, tmp_path, s3.endpoint_url)
    return _stored(
        (tmp_path / "store").as_uri() if request.param == "store_file" else _memory(tmp_path),
        tmp_path,
    )


def _memory(tmp_path: Path) -> str:
    """A store in this process that no other test has."""
    return f"memory://{tmp_path.name}"


def _written(folder: Path, files: Mapping[str, bytes]) -> None:
    folder_of(folder, dict(files))


def _stored(url: str, tmp_path: Path, endpoint_url: str | None = None) -> ArtifactSite:
    numbers = itertools.count()
    uploader = Store(url, endpoint_url)

    def put(run: str, folder: str, files: Mapping[str, bytes]) -> None:
        source = folder_of(tmp_path / "sources" / str(next(numbers)), dict(files))
        uploader.upload_folder(source, f"{run}/{folder}")

    return ArtifactSite(StoreArtifacts(Bucket(url, endpoint_url)), put)
