"""What is complete in a store: the folders whose manifest, written last, names files that are all there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

MANIFEST = "latticeforge_manifest.json"
"""As docs/node-contract.md describes it; the node writes it."""


@dataclass(frozen=True, slots=True)
class CompleteFile:
    """A file of a complete folder: its size in bytes and the SHA-256 of its content in hex."""

    size: int
    sha256: str


def manifest_paths(sizes: Mapping[str, int]) -> list[str]:
    """The manifests among the paths of a store."""
    return [path for path in sizes if path == MANIFEST or path.endswith(f"/{MANIFEST}")]


def complete_files(sizes: Mapping[str, int], manifests: Mapping[str, bytes]) -> dict[str, CompleteFile]:
    """The files of every complete folder, by path. Half a manifest, one that names a file outside its folder, and one
    whose files are not all there at their sizes make nothing complete."""
    complete: dict[str, CompleteFile] = {}
    for path, content in manifests.items():
        folder = path.removesuffix(MANIFEST)
        try:
            files = {folder + name: file for name, file in _named(content)}
        except (ValueError, TypeError, KeyError, RecursionError):
            continue
        if all(sizes.get(name) == file.size for name, file in files.items()):
            complete |= files
    return complete


def _named(content: bytes) -> list[tuple[str, CompleteFile]]:
    return [
        (_inside(each["path"]), CompleteFile(int(each["size"]), str(each["sha256"])))
        for each in json.loads(content)["files"]
    ]


def _inside(path: object) -> str:
    if not isinstance(path, str) or "\0" in path or any(part in ("", ".", "..") for part in path.split("/")):
        raise ValueError
    return path
