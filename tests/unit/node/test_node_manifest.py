"""Manifests and the store's ways: what a name may be, what a folder may hold, what a store's address may say."""

from __future__ import annotations

import json
import os
import uuid
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.node.manifest import MANIFEST, Entry, Manifest, ManifestError, checked_path, describe
from workers.node.store import Store
from workers.node.store_files import StoreError, without_secrets

OUTSIDE = ["", "/etc/passwd", "..", "../a", "a/../../b", "a/./b", "a//b", "a/", "a\\..\\b", "a\0b", "a\nb", "x" * 901]


def manifest_naming(path: str) -> bytes:
    return json.dumps({"version": 1, "files": [{"path": path, "size": 1, "sha256": "0" * 64}]}).encode()


@pytest.mark.parametrize("path", OUTSIDE)
def test_a_name_that_leads_out_of_its_folder_is_refused_wherever_it_comes_from(path: str, tmp_path: Path) -> None:
    with pytest.raises(ManifestError):
        checked_path(path)
    with pytest.raises(ManifestError):
        Manifest.decoded(manifest_naming(path))
    with pytest.raises(ManifestError):
        Store(str(tmp_path)).upload_folder(tmp_path, path)


@given(st.text(max_size=30))
def test_a_name_that_is_accepted_lies_below_its_folder(path: str) -> None:
    try:
        checked_path(path)
    except ManifestError:
        return
    assert os.path.normpath(os.path.join("/top", path)) == f"/top/{path}"  # noqa: PTH118


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 9)), unique_by=lambda pair: pair[0]))
def test_a_manifest_is_read_as_it_was_written_and_half_of_it_is_none(files: list[tuple[str, int]]) -> None:
    manifest = Manifest(tuple(Entry(name, size, f"{size}" * 64) for name, size in sorted(files)))
    written = manifest.encoded()
    assert Manifest.decoded(written) == manifest
    for length in range(len(written) - 2):
        with pytest.raises(ManifestError):
            Manifest.decoded(written[:length])


def test_links_and_special_files_are_no_part_of_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    for name, make in (
        ("file", lambda path: path.symlink_to("/etc/passwd")),
        ("folder", lambda path: path.symlink_to("/etc")),
        ("broken", lambda path: path.symlink_to("nothing")),
        ("pipe", os.mkfifo),
    ):
        folder.mkdir()
        (folder / "good").write_text("good")
        make(folder / name)
        with pytest.raises(ManifestError, match=name):
            describe(folder)
        (folder / name).unlink()
        (folder / "good").unlink()
        folder.rmdir()


def test_a_folder_in_a_local_store_comes_back_and_a_flipped_byte_is_found(tmp_path: Path) -> None:
    here = tmp_path / "here"
    (here / "a").mkdir(parents=True)
    (here / "a" / "b").write_bytes(b"content")
    store = Store((tmp_path / "store").as_uri())
    sent = store.upload_folder(here, "run/checkpoint-3")
    assert store.newest_complete("run") == "checkpoint-3"
    assert store.download_folder("run/checkpoint-3", tmp_path / "there") == sent
    assert (tmp_path / "there" / "a" / "b").read_bytes() == b"content"
    (tmp_path / "store" / "run" / "checkpoint-3" / "a" / "b").write_bytes(b"contemt")
    with pytest.raises(ManifestError, match="checksum"):
        store.download_folder("run/checkpoint-3", tmp_path / "elsewhere")
    (tmp_path / "store" / "run" / "checkpoint-3" / MANIFEST).write_bytes(sent.encoded()[:-9])
    assert store.newest_complete("run") is None


def test_a_download_never_writes_over_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "a").write_text("new")
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "a").write_text("old")
    store = Store(f"memory://{uuid.uuid4().hex}")  # noqa: TID251
    store.upload_folder(tmp_path / "here", "run")
    with pytest.raises(StoreError, match="cannot be written"):
        store.download_folder("run", tmp_path / "there")
    assert (tmp_path / "there" / "a").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["here", "there"]


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("ftp://host/a", "begins with"),
        ("s3://key:secret@bucket/a", "no credentials"),
        ("s3://bucket/a?key=secret", "no credentials"),
        ("s3:///a", "no bucket"),
        ("file://host/a", "no absolute path"),
        ("some/folder", "no absolute path"),
        ("/some/../folder", "no \\.\\."),
    ],
)
def test_an_address_that_cannot_be_a_store_is_refused_without_being_quoted(url: str, problem: str) -> None:
    with pytest.raises(StoreError, match=problem) as caught:
        Store(url)
    assert "secret" not in str(caught.value)


def test_a_kind_of_store_whose_package_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.raises(StoreError, match="needs the package gcsfs"):
        Store("gs://bucket/runs")


def test_secrets_of_the_environment_are_in_no_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cr3t-value")
    assert without_secrets("refused s3cr3t-value!") == "refused ***!"
    assert "s3cr3t" not in str(StoreError("key s3cr3t-value is wrong"))
