"""A stream that tells when it is read."""

from __future__ import annotations

import io

from orchestrator.services.watched import PIECE_BYTES, watched

CONTENT = bytes(range(256)) * (3 * PIECE_BYTES // 256)


def test_it_reads_as_the_stream_does_and_tells_of_every_piece() -> None:
    told: list[int] = []
    stream = watched(io.BytesIO(CONTENT), lambda: told.append(1))
    assert isinstance(stream, io.BufferedIOBase)
    assert stream.read() == CONTENT
    assert len(told) >= 3
    assert stream.seek(10) == 10
    assert stream.tell() == 10
    assert stream.read(5) == CONTENT[10:15]
    assert stream.seek(0, io.SEEK_END) == len(CONTENT)
    assert stream.read(1) == b""


def test_closing_it_closes_the_stream() -> None:
    inner = io.BytesIO(b"x")
    with watched(inner, lambda: None) as stream:
        assert stream.read() == b"x"
    assert inner.closed
