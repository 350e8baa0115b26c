"""What was uploaded."""

from __future__ import annotations

from orchestrator.domain.ids import DatasetId
from orchestrator.ports.datasets import Datasets, UploadedDataset


class ReadDatasets:
    def __init__(self, datasets: Datasets) -> None:
        self._datasets = datasets

    def one(self, dataset: DatasetId) -> UploadedDataset:
        """`NotFoundError` when there is none."""
        return self._datasets.get(dataset)

    def all(self) -> tuple[UploadedDataset, ...]:
        """The newest first."""
        return self._datasets.all()
