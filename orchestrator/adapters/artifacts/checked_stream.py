"""Reading a file of a store from any place, its checksum watched."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable

from orchestrator.adapters.artifacts.complete import CompleteFile
from orchestrator.domain.errors import ArtifactStoreError

PIECE_BYTES = 4 << 20


class CheckedStream(io.RawIOBase):
    """`piece(start, end)` as a file. Whoever reads it from its beginning to its end, in order, gets the last bytes only
    if the whole is what was uploaded, else `ArtifactStoreError`; what is read out of order cannot be checked."""

    def __init__(self, path: str, file: CompleteFile, piece: Callable[[int, int], bytes]) -> None:
        super().__init__()
        self._path = path
        self._file = file
        self._piece = piece
        self._at = 0
        self._checked = 0
        self._digest = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._file.size}[whence]
        if origin + offset < 0:
            raise ValueError("a place before the file's beginning")
        self._at = origin + offset
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """As many bytes as the buffer holds; 0 at the end."""
        end = min(self._at + len(buffer), self._file.size)
        piece = self._piece(self._at, end)
        if len(piece) != max(end - self._at, 0):
            raise ArtifactStoreError(f"{self._path} is shorter in the store than it was uploaded")
        self._check(piece)
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def readall(self) -> bytes:
        """In few requests: the inherited one asks for 8 kB at a time."""
        return b"".join(iter(lambda: self.read(PIECE_BYTES) or b"", b""))

    def _check(self, piece: bytes) -> None:
        if self._at != self._checked or not piece:
            return
        self._digest.update(piece)
        self._checked += len(piece)
        if self._checked == self._file.size and self._digest.hexdigest() != self._file.sha256:
            raise ArtifactStoreError(f"{self._path} is not what was uploaded: its checksum differs")
