"""A stream that tells when it is read: how a long upload shows that it gets on."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import BinaryIO

PIECE_BYTES = 1 << 20


class _Watched(io.RawIOBase):
    def __init__(self, stream: BinaryIO, read: Callable[[], None]) -> None:
        self._stream = stream
        self._read = read

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override] # whatever takes bytes
        self._read()
        piece = self._stream.read(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._stream.seek(offset, whence)

    def close(self) -> None:
        self._stream.close()
        super().close()


def watched(stream: BinaryIO, read: Callable[[], None]) -> io.BufferedReader:
    """`stream`, calling `read` before each piece of it is read, from whatever thread reads it."""
    return io.BufferedReader(_Watched(stream, read), PIECE_BYTES)
