"""The files that a run leaves: checkpoints, adapters, configurations."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from fastapi.responses import StreamingResponse

from api.dependencies import App, RunIdPath
from api.downloads import download
from api.json_body import StrictRoute
from api.schemas.files import ArtifactList, ArtifactView
from api.schemas.problem import documented

router = APIRouter(tags=["runs"], route_class=StrictRoute)
FILE = {
    "description": "The file, as an attachment.",
    "content": {
        "application/octet-stream": {"schema": {"type": "string", "format": "binary"}, "example": "(the file's bytes)"}
    },
}


@router.get("/runs/{run_id}/artifacts", summary="List a run's files", responses=documented(404))
def list_artifacts(run_id: RunIdPath, app: App) -> ArtifactList:
    """Sorted by path."""
    found = app.read.artifacts(run_id)
    views = [ArtifactView.of(run_id, artifact) for artifact in found]
    return ArtifactList(artifacts=views, bytes=sum(artifact.size for artifact in found))


@router.get(
    "/runs/{run_id}/artifacts/{path:path}",
    summary="Download a file of a run",
    response_class=StreamingResponse,
    responses={**documented(404), 200: FILE},
)
def get_artifact(
    run_id: RunIdPath,
    path: Annotated[str, Path(description="As the list names it.", examples=["01-train/output/adapter_config.json"])],
    app: App,
) -> StreamingResponse:
    """Streamed, with its exact length."""
    return download(app.read, run_id, path)
