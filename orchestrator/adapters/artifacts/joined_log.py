"""Several logs read as one."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from orchestrator.ports.artifacts import LogSlice

MOST_BYTES = 1 << 20
"""Shown in one slice, whatever was asked for."""


class LogPart(Protocol):
    """One log: its bytes from `start`, at most `count` of them, and how many there are now."""

    def size(self) -> int: ...

    def read(self, start: int, count: int) -> bytes: ...


@dataclass(frozen=True, slots=True)
class FilePart:
    """A log on this machine's disk."""

    path: Path

    def size(self) -> int:
        return self.path.stat().st_size

    def read(self, start: int, count: int) -> bytes:
        with self.path.open("rb") as stream:
            stream.seek(start)
            return stream.read(count)


class JoinedLog:
    """The bytes of `parts` one after another, as they are now."""

    def __init__(self, parts: Sequence[LogPart]) -> None:
        self._parts = [(part, part.size()) for part in parts]

    def read(self, offset: int, limit: int) -> LogSlice:
        """At most `limit` bytes from `offset` (negative: from the end), cut between characters, never inside one."""
        size = sum(length for _, length in self._parts)
        start = max(size + offset, 0) if offset < 0 else offset
        raw = self._bytes(start, max(min(limit, MOST_BYTES), 0))
        if offset < 0 and start > 0:
            whole = _without_broken_start(raw)
            start, raw = start + len(raw) - len(whole), whole
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        text = decoder.decode(raw)
        held_back = len(decoder.getstate()[0])
        if held_back == len(raw) and start + len(raw) < size:
            # A limit smaller than the character: better a replacement than no progress.
            return LogSlice(raw.decode(errors="replace"), start + len(raw))
        return LogSlice(text, start + len(raw) - held_back)

    def _bytes(self, start: int, count: int) -> bytes:
        pieces: list[bytes] = []
        for part, length in self._parts:
            if start < length and count > 0:
                piece = part.read(start, min(count, length - start))
                pieces.append(piece)
                count -= len(piece)
            start = max(start - length, 0)
        return b"".join(pieces)


def _without_broken_start(raw: bytes) -> bytes:
    """`raw` less the rest of a character that began before it."""
    rest = 0
    while rest < min(3, len(raw)) and raw[rest] & 0xC0 == 0x80:
        rest += 1
    return raw[rest:]
