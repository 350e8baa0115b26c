"""Datasets: upload, list, look."""

from __future__ import annotations

from email.message import Message
from typing import Annotated, Any

import anyio
from anyio.to_thread import run_sync
from fastapi import APIRouter, Query, Request, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from api.dependencies import App, DatasetIdPath
from api.json_body import StrictRoute
from api.reading import UPLOADS, reading
from api.schemas.datasets import UploadedDatasetList, UploadedDatasetView
from api.schemas.problem import documented
from api.schemas.queries import UploadQuery
from orchestrator.ports.datasets import UploadedDataset
from orchestrator.services.upload_dataset import Upload

router = APIRouter(tags=["datasets"], route_class=StrictRoute)
PATH = "/datasets"
PIECE_BYTES = 1 << 20
"""Collected before a thread is asked to write: a server hands a body on in much smaller pieces."""

_EXAMPLE = '{"instruction": "Say hello.", "output": "Hello."}\n'
_LINES: dict[str, Any] = {"schema": {"type": "string"}, "example": _EXAMPLE}
_BYTES: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}, "example": "(the file's bytes)"}
MEDIA_TYPES: dict[str, dict[str, Any]] = {
    "application/x-ndjson": _LINES,
    "application/jsonl": _LINES,
    "application/vnd.apache.parquet": _BYTES,
    "application/octet-stream": _BYTES,
}
_BODY = {"required": True, "description": "The file, as it is.", "content": MEDIA_TYPES}


@router.post(
    PATH,
    status_code=201,
    summary="Upload a dataset",
    responses=documented(403, 409, 422, 507),
    openapi_extra={"requestBody": _BODY},
)
async def upload(
    request: Request, query: Annotated[UploadQuery, Query()], app: App, response: Response
) -> UploadedDatasetView:
    """JSON lines or Parquet; every row is looked at before any is kept, and bad ones are told by their line, as
    `dataset:17`. The same bytes always have the same id, and are kept once. `Location` is its address."""
    _require_rows(request)
    arriving = await run_sync(app.upload.begin, query.name)
    kept = await _received(request, arriving)
    response.headers["Location"] = f"{PATH}/{kept.id}"
    return UploadedDatasetView.of(kept)


@router.get(PATH, summary="List the uploaded datasets")
def list_datasets(app: App) -> UploadedDatasetList:
    """The newest first."""
    found = [UploadedDatasetView.of(each) for each in app.datasets.all()]
    return UploadedDatasetList(datasets=found, bytes=sum(each.bytes for each in found))


@router.get(PATH + "/{dataset_id}", summary="Look at an uploaded dataset", responses=documented(404))
def show_dataset(dataset_id: DatasetIdPath, app: App) -> UploadedDatasetView:
    """Its format, its size, and the digest of its bytes."""
    return UploadedDatasetView.of(app.datasets.one(dataset_id))


async def _received(request: Request, arriving: Upload) -> UploadedDataset:
    """The body, taken in and kept; whatever goes wrong on the way, nothing of it stays."""
    try:
        held = bytearray()
        async for piece in request.stream():
            held += piece
            if len(held) >= PIECE_BYTES:
                await run_sync(arriving.write, bytes(held))
                held.clear()
        await run_sync(arriving.write, bytes(held))
        return await reading(UPLOADS, arriving.keep)
    except ClientDisconnect:
        raise HTTPException(400, "the body ended before it was whole") from None
    finally:
        # Also when the service is being stopped, which cancels everything that waits.
        with anyio.CancelScope(shield=True):
            await run_sync(arriving.discard)


def _require_rows(request: Request) -> None:
    message = Message()
    message["content-type"] = request.headers.get("content-type", "")
    if not message["content-type"] or message.get_content_type() not in MEDIA_TYPES:
        raise HTTPException(415, f"the body must be rows, with Content-Type: {' or '.join(MEDIA_TYPES)}")
    if request.headers.get("content-encoding", "identity") != "identity":
        raise HTTPException(415, "the body must be sent as it is, without Content-Encoding")
