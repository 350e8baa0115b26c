"""Handing out a run's files: exactly as long as announced, and never run by a browser."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from urllib.parse import quote

from fastapi.responses import StreamingResponse

from orchestrator.domain.ids import RunId
from orchestrator.services.read import ReadRuns


def download(read: ReadRuns, run_id: RunId, path: str) -> StreamingResponse:
    """The file at `path` of the run; `NotFoundError` unless it is one of those that the run lists."""
    file = read.artifact(run_id, path)
    # The first piece is read here: what is wrong with the file must be said before an answer has begun.
    first = next(file.pieces, b"")
    return StreamingResponse(
        exactly(itertools.chain((first,), file.pieces), file.size),
        media_type="application/octet-stream",
        headers={
            "Content-Length": str(file.size),
            "Content-Disposition": content_disposition(path.rsplit("/", 1)[-1]),
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "sandbox",
        },
    )


def exactly(pieces: Iterator[bytes], size: int) -> Iterator[bytes]:
    """The first `size` bytes: a log that grows while it is sent must not outgrow what was announced."""
    left = size
    for piece in pieces:
        if left <= 0:
            return
        yield piece[:left]
        left -= len(piece)


def content_disposition(name: str) -> str:
    """RFC 6266: the name in plain ASCII for old readers, and exact for all others."""
    plain = "".join(
        letter if letter.isascii() and letter.isprintable() and letter not in '"\\%' else "_" for letter in name
    )
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
