"""The files that a run leaves: checkpoints, adapters, configurations."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import PlainTextResponse, StreamingResponse

from api.dependencies import App, RunIdPath
from api.downloads import download
from api.json_body import StrictRoute
from api.schemas.files import ArtifactList, ArtifactView
from api.schemas.problem import documented
from api.schemas.queries import ArtifactsQuery

router = APIRouter(tags=["runs"], route_class=StrictRoute)
FILE = {
    "description": "The file, as an attachment.",
    "content": {
        "application/octet-stream": {"schema": {"type": "string", "format": "binary"}, "example": "(the file's bytes)"}
    },
}

CARD_TEXT = {
    "description": "The card.",
    "content": {"text/markdown": {"schema": {"type": "string"}, "example": "---\nlibrary_name: peft\n---\n\n# ...\n"}},
}


class MarkdownResponse(PlainTextResponse):
    media_type = "text/markdown"


@router.get("/runs/{run_id}/artifacts", summary="List a run's files", responses=documented(404, 422))
def list_artifacts(run_id: RunIdPath, query: Annotated[ArtifactsQuery, Query()], app: App) -> ArtifactList:
    """Sorted by path. `README.md` is the run's model card, written anew each time; it is there once there is a
    result."""
    found = [each for each in app.read.artifacts(run_id) if each.is_result or query.only is None]
    views = [ArtifactView.of(run_id, artifact) for artifact in found]
    return ArtifactList(artifacts=views, bytes=sum(artifact.size for artifact in found))


@router.get(
    "/runs/{run_id}/card",
    summary="Read a run's model card",
    response_class=MarkdownResponse,
    responses={**documented(404), 200: CARD_TEXT},
)
def card(run_id: RunIdPath, app: App) -> Response:
    """Markdown with the Hub's metadata: what was trained, on what, for how much, with which measured result."""
    return MarkdownResponse(app.read.card(run_id), headers={"X-Content-Type-Options": "nosniff"})


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
