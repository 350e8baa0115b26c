"""The files that a run leaves, and its log."""

from __future__ import annotations

from urllib.parse import quote

from pydantic import Field

from api.schemas.view import View
from orchestrator.domain.ids import RunId
from orchestrator.ports.artifacts import Artifact, LogSlice


class ArtifactView(View):
    path: str
    size: int = Field(description="Bytes.")
    href: str
    result: bool = Field(description="Whether it is needed to use the run's result, or is its card.")

    @classmethod
    def of(cls, run_id: RunId, artifact: Artifact) -> ArtifactView:
        return cls(
            path=artifact.path,
            size=artifact.size,
            href=f"/runs/{run_id}/artifacts/{quote(artifact.path)}",
            result=artifact.is_result,
        )


class ArtifactList(View):
    artifacts: list[ArtifactView]
    bytes: int = Field(description="The sum of the sizes.")


class LogView(View):
    """A piece of the joined log of all stages and attempts."""

    text: str
    next_offset: int = Field(description="Send it as `offset` for what comes after.")

    @classmethod
    def of(cls, piece: LogSlice) -> LogView:
        return cls(text=piece.text, next_offset=piece.next_offset)
