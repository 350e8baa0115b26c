"""Folders in a store, whole or not there: files first, their manifest last; deleted the other way round."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

from workers.node.manifest import MANIFEST, Entry, Manifest, ManifestError, checked_path, describe, nothing
from workers.node.store_files import PIECE_BYTES, StoreError, StoreFiles

CHECKPOINT = re.compile(r"checkpoint-(\d+)")


class Store:
    """Uploads, downloads and finds folders below one address, such as `s3://bucket/latticeforge`.

    `left` tells the seconds that may still be used; nothing is begun, or tried again, without any. Every method raises
    StoreError, and for what a folder or a manifest holds ManifestError.
    """

    def __init__(self, url: str, endpoint_url: str | None = None, left: Callable[[], float] = lambda: 600.0) -> None:
        self._files = StoreFiles(url, endpoint_url, left)

    def upload_folder(self, folder: Path, prefix: str, leave_out: Callable[[str], bool] = nothing) -> Manifest:
        """`folder`, less what `leave_out` names at its top, as the folder `prefix` of the store.

        Incomplete from the first changed byte to the last: a manifest that was there goes first, the new one comes when
        all files are there at their sizes. A folder that is there already, by digest, is not sent again.
        """
        checked_path(prefix)
        try:
            manifest = describe(folder, leave_out)
            if self._is_there(prefix, manifest):
                return manifest
            self._files.remove([f"{prefix}/{MANIFEST}"])
            self._files.send({f"{prefix}/{entry.path}": folder / entry.path for entry in manifest.entries})
        except OSError as error:
            raise StoreError(f"{folder} changed while it was sent: {error.strerror}", temporary=True) from error
        unmet = manifest.unmet(self._files.sizes(prefix))
        if unmet is not None:
            raise StoreError(f"{prefix}/{unmet} did not arrive whole", temporary=True)
        self._files.write(f"{prefix}/{MANIFEST}", manifest.encoded())
        return manifest

    def download_folder(self, prefix: str, folder: Path) -> Manifest:
        """The folder `prefix` as the local `folder`, which is not there or empty; there whole, checked, or not at all.

        StoreError when it has no manifest, ManifestError when a file's content is not what was uploaded.
        """
        manifest = self.manifest(prefix)
        if manifest is None:
            raise StoreError(f"{prefix} is not complete in the store")
        unmet = manifest.unmet(self._files.sizes(prefix))
        if unmet is not None:
            raise StoreError(f"{prefix}/{unmet} is not in the store as it was uploaded")
        part = folder.with_name(f".{folder.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        try:
            self._fetch(prefix, manifest, part)
            if folder.exists():
                folder.rmdir()
            part.replace(folder)
        except OSError as error:
            raise StoreError(f"{folder} cannot be written: {error.strerror}") from error
        finally:
            shutil.rmtree(part, ignore_errors=True)
        return manifest

    def manifest(self, prefix: str) -> Manifest | None:
        """What the complete folder `prefix` holds; None when it is incomplete or not there."""
        content = self._files.read(f"{checked_path(prefix)}/{MANIFEST}")
        try:
            return None if content is None else Manifest.decoded(content)
        except ManifestError:
            return None  # half a manifest is none: a local disk may hold one

    def newest_complete(self, prefix: str) -> str | None:
        """The name of the complete checkpoint of the highest step below `prefix`, such as `checkpoint-40`."""
        sizes = self._files.sizes(checked_path(prefix))
        for name in sorted(_checkpoints(sizes), key=_step, reverse=True):
            manifest = self.manifest(f"{prefix}/{name}") if f"{name}/{MANIFEST}" in sizes else None
            inside = {
                path.removeprefix(f"{name}/"): size for path, size in sizes.items() if path.startswith(f"{name}/")
            }
            if manifest is not None and manifest.unmet(inside) is None:
                return name
        return None

    def prune(self, prefix: str, newest: str) -> None:
        """Delete the checkpoints below `prefix` that are older than `newest`, complete or not."""
        sizes = self._files.sizes(checked_path(prefix))
        old = {name for name in _checkpoints(sizes) if _step(name) < _step(newest)}
        gone = [path for path in sizes if path.split("/")[0] in old]
        self._files.remove(f"{prefix}/{path}" for path in gone if path.endswith(f"/{MANIFEST}"))
        self._files.remove(f"{prefix}/{path}" for path in gone if not path.endswith(f"/{MANIFEST}"))

    def forget(self, prefix: str) -> None:
        """Make every checkpoint below `prefix` incomplete: a fresh start must not be resumed from an older attempt."""
        sizes = self._files.sizes(checked_path(prefix))
        self._files.remove(f"{prefix}/{name}/{MANIFEST}" for name in _checkpoints(sizes))

    def _is_there(self, prefix: str, manifest: Manifest) -> bool:
        return self.manifest(prefix) == manifest and manifest.unmet(self._files.sizes(prefix)) is None

    def _fetch(self, prefix: str, manifest: Manifest, part: Path) -> None:
        part.mkdir(parents=True)
        for entry in manifest.entries:
            (part / entry.path).parent.mkdir(parents=True, exist_ok=True)
        entries = {entry.path: entry for entry in manifest.entries}
        small = [path for path, entry in entries.items() if entry.size <= PIECE_BYTES]
        self._files.at_once(small, lambda path: self._fetch_file(prefix, entries[path], part))
        for path in entries.keys() - set(small):
            self._fetch_file(prefix, entries[path], part)

    def _fetch_file(self, prefix: str, entry: Entry, part: Path) -> None:
        if self._files.fetch(f"{prefix}/{entry.path}", part / entry.path, entry.size) != entry.sha256:
            raise ManifestError(f"{prefix}/{entry.path} is not what was uploaded: its checksum differs")


def _checkpoints(paths: dict[str, int]) -> set[str]:
    tops = {path.split("/")[0] for path in paths}
    return {name for name in tops if CHECKPOINT.fullmatch(name)}


def _step(name: str) -> int:
    found = CHECKPOINT.fullmatch(name)
    if found is None:
        raise ManifestError(f"{name!r} is no checkpoint")
    return int(found[1])
