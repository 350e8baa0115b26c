"""What a folder in a store must hold: every file's path, size and SHA-256. Written last, it makes the folder complete.

Standard library only.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

MANIFEST = "latticeforge_manifest.json"
"""Not plainly `manifest.json`: a model's folder may well hold a file of that name."""
VERSION = 1
MOST_PATH_BYTES = 900
"""An object's whole key may have 1024 bytes on S3 and GCS."""


class ManifestError(Exception):
    """A path that leads out of its folder, a folder that cannot be described, or files that are not what they were."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One file: its path below the folder, with `/`, its size in bytes, and the SHA-256 of its content in hex."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """The files of a folder, sorted by path."""

    entries: tuple[Entry, ...]

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(entry.size for entry in self.entries)

    def encoded(self) -> bytes:
        """As it is kept in the store."""
        files = [{"path": entry.path, "size": entry.size, "sha256": entry.sha256} for entry in self.entries]
        return json.dumps({"version": VERSION, "files": files}, indent=1).encode() + b"\n"

    @classmethod
    def decoded(cls, data: bytes) -> Manifest:
        """ManifestError for half a manifest, or one that names a file outside its folder or twice."""
        try:
            files = json.loads(data)["files"]
            entries = tuple(_entry(each["path"], each["size"], each["sha256"]) for each in files)
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise ManifestError(f"the manifest cannot be read: {type(error).__name__}") from error
        if len({entry.path for entry in entries}) != len(entries):
            raise ManifestError("the manifest names a file twice")
        return cls(tuple(sorted(entries, key=lambda entry: entry.path)))

    def unmet(self, sizes: dict[str, int]) -> str | None:
        """The first file that `sizes` (by path below the folder) lack or hold at another size, else None."""
        return next((entry.path for entry in self.entries if sizes.get(entry.path) != entry.size), None)


def checked_path(path: str) -> str:
    """`path` if it leads to a place below where it is put, else ManifestError."""
    parts = path.split("/")
    senseless = any(part in ("", ".", "..") for part in parts)
    if senseless or "\0" in path or "\\" in path or not path.isprintable() or len(path.encode()) > MOST_PATH_BYTES:
        raise ManifestError(f"{path[:200]!r} is no path inside a folder")
    return path


def nothing(_name: str) -> bool:
    """Leaves nothing out."""
    return False


def describe(folder: Path, leave_out: Callable[[str], bool] = nothing) -> Manifest:
    """The manifest of `folder` as it lies on disk, less what `leave_out` names at its top.

    ManifestError for links and special files: what they lead to is no part of the folder. OSError when a file vanishes.
    """
    paths = sorted(relative for relative in _files(folder) if not leave_out(relative.split("/")[0]))
    return Manifest(tuple(_described(folder, checked_path(path)) for path in paths))


def digest(path: Path) -> str:
    """SHA-256 of a file's content, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _described(folder: Path, path: str) -> Entry:
    return Entry(path, (folder / path).stat().st_size, digest(folder / path))


def _files(folder: Path) -> Iterator[str]:
    for parent, folders, names in os.walk(folder):
        place = Path(parent)
        for name in folders:
            if (place / name).is_symlink():
                raise ManifestError(f"{place / name} is a link")
        for name in names:
            path = place / name
            if path.is_symlink() or not path.is_file():
                raise ManifestError(f"{path} is no regular file")
            if name != MANIFEST:
                yield PurePosixPath(path.relative_to(folder)).as_posix()


def _entry(path: object, size: object, sha256: object) -> Entry:
    if not isinstance(path, str) or not isinstance(sha256, str) or len(sha256) != 64:
        raise ValueError
    if isinstance(size, bool) or not isinstance(size, int) or size < 0:
        raise ValueError
    return Entry(checked_path(path), size, sha256)
