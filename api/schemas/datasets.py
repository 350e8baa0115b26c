"""Uploaded datasets."""

from __future__ import annotations

from pydantic import Field

from api.schemas.view import Timestamp, View
from orchestrator.ports.datasets import UploadedDataset


class UploadedDatasetView(View):
    """Rows that were looked at one by one, and kept."""

    id: str = Field(description="`ds_` and the first 16 digits of `sha256`. A run names it as its `dataset`.")
    name: str
    format: str
    rows: int
    bytes: int
    sha256: str
    media_type: str = Field(description="What the bytes are, whatever they were declared to be.")
    uploaded_at: Timestamp

    @classmethod
    def of(cls, dataset: UploadedDataset) -> UploadedDatasetView:
        return cls(**{name: getattr(dataset, name) for name in UploadedDataset.__slots__})


class UploadedDatasetList(View):
    datasets: list[UploadedDatasetView]
    bytes: int = Field(description="The sum of the sizes.")
