"""Uploaded datasets in folders on this machine: `ds_<digest>/` with the rows and what was found out about them."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from orchestrator.adapters.inputs.datasets import RowFile, read_rows
from orchestrator.adapters.inputs.lines import is_parquet
from orchestrator.domain.errors import ConflictError, NotFoundError, StorageError
from orchestrator.domain.ids import DatasetId, dataset_id, is_dataset_id
from orchestrator.ports.datasets import UploadedDataset

FACTS = "dataset.json"
ARRIVING = ".arriving-"
ROWS_OF = {"application/vnd.apache.parquet": "rows.parquet", "application/x-ndjson": "rows.jsonl"}
FORGOTTEN_SECONDS = 24 * 3600
"""An arrival that nothing was written to for so long is of a process that died."""


class FolderDatasets:
    """Keeps datasets below `folder`, which is made when the first one comes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def receive(self) -> FolderArrival:
        with storing():
            self._folder.mkdir(parents=True, exist_ok=True)
            arrival = FolderArrival(self._folder)
        self._forget(arrival.started_at)
        return arrival

    def get(self, dataset: DatasetId) -> UploadedDataset:
        found = _facts(self._folder / dataset) if is_dataset_id(dataset) else None
        if found is None:
            raise NotFoundError("dataset", dataset[:80])
        return found

    def all(self) -> tuple[UploadedDataset, ...]:
        folders = self._folder.iterdir() if self._folder.is_dir() else ()
        found = [facts for path in folders if is_dataset_id(path.name) and (facts := _facts(path)) is not None]
        return tuple(sorted(found, key=lambda each: (each.uploaded_at, each.id), reverse=True))

    def rows_of(self, dataset: DatasetId) -> RowFile:
        """The file of a dataset, as it was found good; `NotFoundError` when there is none."""
        facts = self.get(dataset)
        return RowFile(self._folder / dataset / ROWS_OF[facts.media_type], facts.format, facts.rows)

    def _forget(self, now: float) -> None:
        """Remove what was left by processes that died; `now` in seconds of the disk's own clock."""
        for left in self._folder.glob(f"{ARRIVING}*"):
            try:
                idle = now - max(path.stat().st_mtime for path in (left, *left.iterdir()))
            except OSError:
                continue  # its upload has just ended
            if idle > FORGOTTEN_SECONDS:
                shutil.rmtree(left, ignore_errors=True)


class FolderArrival:
    """Bytes on their way into a folder that nobody lists, renamed to its id when all is good."""

    def __init__(self, folder: Path) -> None:
        self._kept_in = folder
        self._folder = Path(tempfile.mkdtemp(prefix=ARRIVING, dir=folder))
        self.started_at = self._folder.stat().st_mtime
        self._path = self._folder / "rows"
        self._stream = self._path.open("xb")
        self._digest = hashlib.sha256()
        self._bytes = 0

    def write(self, piece: bytes) -> None:
        with storing():
            self._stream.write(piece)
        self._digest.update(piece)
        self._bytes += len(piece)

    def keep(self, name: str, at: datetime) -> UploadedDataset:
        with storing():
            self._stream.flush()
            os.fsync(self._stream.fileno())
            self._stream.close()
        sha256 = self._digest.hexdigest()
        known = _facts(self._kept_in / dataset_id(sha256))
        if known is None:
            known = self._examined(name, sha256, at)
            with storing():
                known = self._renamed(known)
        self.discard()
        if known.sha256 != sha256:
            raise ConflictError(f"{known.id} is the id of other bytes already")
        return known

    def discard(self) -> None:
        # What could not be written is not wanted either.
        with contextlib.suppress(OSError):
            self._stream.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _examined(self, name: str, sha256: str, at: datetime) -> UploadedDataset:
        rows = read_rows(self._path, "dataset")
        with self._path.open("rb") as stream:
            media_type = "application/vnd.apache.parquet" if is_parquet(stream.read(8)) else "application/x-ndjson"
        return UploadedDataset(dataset_id(sha256), name, rows.format, rows.rows, self._bytes, sha256, media_type, at)

    def _renamed(self, facts: UploadedDataset) -> UploadedDataset:
        """The dataset in its place; the one that is there when another upload of the same bytes came first."""
        self._path.rename(self._folder / ROWS_OF[facts.media_type])
        document = {name: getattr(facts, name) for name in UploadedDataset.__slots__}
        with (self._folder / FACTS).open("x", encoding="utf-8") as stream:
            json.dump({**document, "uploaded_at": facts.uploaded_at.isoformat()}, stream)
            stream.flush()
            os.fsync(stream.fileno())
        target = self._kept_in / facts.id
        try:
            # A trainer may run as another user, who has no business with what is still arriving.
            self._folder.chmod(0o755)
            self._folder.rename(target)
        except OSError:
            first = _facts(target)
            if first is None:
                raise
            return first
        return facts


@contextmanager
def storing() -> Iterator[None]:
    """`StorageError` for what the disk does not take."""
    try:
        yield
    except OSError as error:
        raise StorageError(f"the dataset cannot be stored: {error.strerror or error}") from error


def _facts(folder: Path) -> UploadedDataset | None:
    """What is written about the dataset in `folder`; None when it is not there, or not whole."""
    try:
        document = json.loads((folder / FACTS).read_bytes())
        facts = UploadedDataset(**{**document, "uploaded_at": datetime.fromisoformat(document["uploaded_at"])})
        return facts if (folder / ROWS_OF[facts.media_type]).is_file() else None
    except (OSError, ValueError, TypeError, KeyError):
        return None
