"""Take in a dataset piece by piece, and keep it when all of its rows are good."""

from __future__ import annotations

from orchestrator.domain.errors import InvalidInputError
from orchestrator.ports.clock import Clock
from orchestrator.ports.datasets import Arrival, Datasets, UploadedDataset

MAX_DATASET_NAME = 120


class Upload:
    """One upload under way: any number of `write`, then `keep`; `discard` always, also after `keep`."""

    def __init__(self, arrival: Arrival, name: str, clock: Clock) -> None:
        self._arrival = arrival
        self._name = name
        self._clock = clock

    def write(self, piece: bytes) -> None:
        self._arrival.write(piece)

    def keep(self) -> UploadedDataset:
        return self._arrival.keep(self._name, self._clock.now())

    def discard(self) -> None:
        self._arrival.discard()


class UploadDataset:
    """Raises `InvalidInputError` naming `name` or `dataset:<line>`, and `StorageError`; then nothing is kept."""

    def __init__(self, datasets: Datasets, clock: Clock) -> None:
        self._datasets = datasets
        self._clock = clock

    def begin(self, name: str) -> Upload:
        """The upload, ready for its first piece. `name` is for people, and may be empty."""
        name = name.strip()
        if len(name) > MAX_DATASET_NAME or not name.isprintable():
            raise InvalidInputError.of("name", f"must be at most {MAX_DATASET_NAME} printable characters")
        return Upload(self._datasets.receive(), name, self._clock)
