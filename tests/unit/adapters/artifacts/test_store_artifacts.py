"""Artifacts in a store: only what is whole is shown, and what was damaged is never handed out as a whole."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.adapters.artifacts.bucket import Bucket
from orchestrator.adapters.artifacts.complete import MANIFEST, complete_files
from orchestrator.adapters.artifacts.folder import FolderArtifacts
from orchestrator.adapters.artifacts.layered import LayeredArtifacts
from orchestrator.adapters.artifacts.store import StoreArtifacts
from orchestrator.domain.errors import ArtifactStoreError, NotFoundError
from orchestrator.domain.ids import RunId
from orchestrator.domain.store_address import parse_store_url
from orchestrator.settings import Settings
from workers.node import manifest
from workers.node.store import Store

RUN = RunId("run_000000000001")
OUTPUT = "01-train/output"
BIG = bytes(range(256)) * 20_000


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """The folder of a store on this disk with one complete folder in it."""
    source = tmp_path / "source"
    source.mkdir()
    (source / "big.bin").write_bytes(BIG)
    (source / "small.txt").write_bytes(b"small")
    Store(str(tmp_path / "store")).upload_folder(source, f"{RUN}/{OUTPUT}")
    return tmp_path / "store" / RUN / OUTPUT


@pytest.fixture
def artifacts(tmp_path: Path, stored: Path) -> StoreArtifacts:
    return StoreArtifacts(Bucket(str(tmp_path / "store")))


def listed(artifacts: StoreArtifacts) -> list[str]:
    return [each.path for each in artifacts.list(RUN)]


def test_both_sides_mean_the_same_file_by_a_manifest() -> None:
    assert MANIFEST == manifest.MANIFEST


@pytest.mark.parametrize(
    "harm",
    [
        lambda folder: (folder / MANIFEST).unlink(),
        lambda folder: (folder / MANIFEST).write_bytes((folder / MANIFEST).read_bytes()[:-40]),
        lambda folder: (folder / "small.txt").unlink(),
        lambda folder: (folder / "small.txt").write_bytes(b"smaller"),
    ],
    ids=["no_manifest", "half_a_manifest", "a_file_less", "another_size"],
)
def test_a_folder_that_is_not_whole_is_not_there(
    artifacts: StoreArtifacts, stored: Path, harm: Callable[[Path], None]
) -> None:
    assert listed(artifacts) == [f"{OUTPUT}/big.bin", f"{OUTPUT}/small.txt"]
    harm(stored)
    assert listed(artifacts) == []
    with pytest.raises(NotFoundError):
        artifacts.read(RUN, f"{OUTPUT}/big.bin")


@pytest.mark.parametrize("name", ["../../../outside", "/etc/passwd", "a/../../b", "", "a//b", 7, None])
def test_a_manifest_that_names_what_lies_outside_makes_nothing_complete(name: object) -> None:
    written = json.dumps({"files": [{"path": name, "size": 1, "sha256": "0" * 64}]}).encode()
    assert complete_files({f"a/{name}": 1, "etc/passwd": 1}, {f"a/{MANIFEST}": written}) == {}


def test_the_last_bytes_of_a_damaged_file_are_never_given(artifacts: StoreArtifacts, stored: Path) -> None:
    damaged = bytearray(BIG)
    damaged[3_000_000] ^= 1
    (stored / "big.bin").write_bytes(bytes(damaged))
    given: list[bytes] = []
    with pytest.raises(ArtifactStoreError, match="checksum"):
        given.extend(artifacts.read(RUN, f"{OUTPUT}/big.bin"))
    assert sum(map(len, given)) < len(BIG)
    with artifacts.open(RUN, f"{OUTPUT}/big.bin") as stream, pytest.raises(ArtifactStoreError, match="checksum"):
        list(iter(lambda: stream.read(100_000), b""))


def test_a_file_that_is_deleted_while_it_is_read_is_an_error(artifacts: StoreArtifacts, stored: Path) -> None:
    pieces = artifacts.read(RUN, f"{OUTPUT}/big.bin")
    next(pieces)
    (stored / "big.bin").unlink()
    with pytest.raises(ArtifactStoreError):
        list(pieces)


def test_the_nodes_paths_are_found_wherever_the_machine_had_its_runs(artifacts: StoreArtifacts) -> None:
    for runs in ("/root/latticeforge/runs", "/data/runs", ""):
        assert artifacts.relative(RUN, f"{runs}/{RUN}/{OUTPUT}/checkpoint-4") == f"{OUTPUT}/checkpoint-4"
        for outside in (f"{runs}/{RUN}", f"{runs}/{RUN}/../run_000000000002/a"):
            assert artifacts.relative(RUN, outside) is None


def test_files_here_come_before_those_of_the_store_and_are_shown_without_it(
    tmp_path: Path, artifacts: StoreArtifacts, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nothing")
    here = tmp_path / "runs" / RUN / OUTPUT
    here.mkdir(parents=True)
    (here / "small.txt").write_bytes(b"still growing")
    folder = FolderArtifacts(tmp_path / "runs")
    layered = LayeredArtifacts(folder, artifacts)
    assert [(each.path, each.size) for each in layered.list(RUN)] == [
        (f"{OUTPUT}/big.bin", len(BIG)),
        (f"{OUTPUT}/small.txt", 13),
    ]
    assert b"".join(layered.read(RUN, f"{OUTPUT}/small.txt")) == b"still growing"
    assert b"".join(layered.read(RUN, f"{OUTPUT}/big.bin")) == BIG
    away = LayeredArtifacts(folder, StoreArtifacts(Bucket("s3://bucket/runs", "http://127.0.0.1:9")))
    assert [each.path for each in away.list(RUN)] == [f"{OUTPUT}/small.txt"]
    with pytest.raises(ArtifactStoreError, match="listing run_000000000002"):
        away.list(RunId("run_000000000002"))
    assert "only the files of" in caplog.text


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.raises(ArtifactStoreError, match="needs the package gcsfs"):
        StoreArtifacts(Bucket("gs://bucket/runs")).list(RUN)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://host/a",
        "s3://key:topsecret@bucket",
        "s3://bucket?secret=topsecret",
        "s3:///a",
        "relative/folder",
        "/a/../b",
    ],
)
def test_an_address_that_cannot_be_a_store_is_refused_when_the_settings_are_read(url: str) -> None:
    with pytest.raises(ValueError, match="store") as caught:
        Settings(artifacts_url=url)
    assert "topsecret" not in str(caught.value)


def test_addresses_of_stores_are_understood() -> None:
    assert parse_store_url("s3://bucket/a/b/") == ("s3", "bucket/a/b")
    assert parse_store_url("gcs://bucket") == ("gs", "bucket")
    assert parse_store_url("/data/store") == parse_store_url("file:///data/store") == ("file", "/data/store")
    assert Settings(artifacts_url="").artifacts_url is None
