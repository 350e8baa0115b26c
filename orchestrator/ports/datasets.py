"""The datasets port: what was uploaded, kept under the digest of its bytes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from orchestrator.domain.ids import DatasetId


@dataclass(frozen=True, slots=True)
class UploadedDataset:
    """Rows that were looked at one by one and kept. The same bytes have one id, and the name they came by first."""

    id: DatasetId
    name: str
    format: str
    rows: int
    bytes: int
    sha256: str
    media_type: str
    uploaded_at: datetime


class Arrival(Protocol):
    """A dataset on its way in, for one caller at a time. Nothing of it is kept, or to be seen, before `keep`."""

    def write(self, piece: bytes) -> None: ...

    def keep(self, name: str, at: datetime) -> UploadedDataset:
        """Look at every row and keep them all. `InvalidInputError` naming `dataset:<line>`; `ConflictError` when other
        bytes bear the same id."""
        ...

    def discard(self) -> None:
        """Leave nothing behind; after `keep` there is nothing to leave."""
        ...


class Datasets(Protocol):
    """Promises: bytes that are kept never change; the same bytes are kept once, also by two callers at a time; a
    process that dies leaves nothing that is listed. Every writing raises `StorageError` when the disk does not take it.
    """

    def receive(self) -> Arrival: ...

    def get(self, dataset: DatasetId) -> UploadedDataset:
        """`NotFoundError` when there is none."""
        ...

    def all(self) -> tuple[UploadedDataset, ...]:
        """The newest first."""
        ...
