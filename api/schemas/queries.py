"""Query parameters. A name that is not known is refused: a misspelt filter must not silently show everything."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from orchestrator.domain.lifecycle import RunStatus
from orchestrator.services.read_offers import Where
from orchestrator.services.upload_dataset import MAX_DATASET_NAME

MOST_SEQ = 2**53 - 1
MOST_LOG_BYTES = 1024 * 1024

Seq = Annotated[int, Field(ge=0, le=MOST_SEQ)]


class QueryParameters(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RunsQuery(QueryParameters):
    after: str | None = Field(None, description="The `next` of the page before.", examples=["run_3f9c1a7be204"])
    limit: int = Field(50, ge=1, le=200, description="Runs on a page.")
    status: RunStatus | None = Field(None, description="Only runs of this status.")
    strategy: str | None = Field(None, description="Only runs of this strategy; its name, letter or alias.")


class OffersQuery(QueryParameters):
    where: Where = Field(Where.HERE, description="`here`: what runs are launched on. `clouds`: what clouds ask.")
    accelerator: str | None = Field(None, max_length=80, description="Only this accelerator.", examples=["H200"])
    provider: str | None = Field(None, max_length=80, description="Only this provider.", examples=["nebius"])
    count: int | None = Field(None, ge=1, le=1000, description="Only machines with so many accelerators.")
    spot: bool | None = Field(None, description="Only spot machines, or only those on demand.")
    after: str | None = Field(None, max_length=400, description="The `next` of the page before.")
    limit: int = Field(100, ge=1, le=1000, description="Offers on a page.")


class UploadQuery(QueryParameters):
    name: str = Field("", max_length=MAX_DATASET_NAME, description="Shown in lists; anything.", examples=["support"])


class MetricsQuery(QueryParameters):
    after: Seq = Field(0, description="Only what came after this `seq`; the `next` of the answer before.")
    limit: int = Field(1000, ge=1, le=5000, description="Metrics in one answer. Not looked at with `points`.")
    event: str | None = Field(None, max_length=80, description="Only this event.", examples=["step"])
    points: int | None = Field(
        None,
        ge=2,
        le=2000,
        description="Thin the steps of the whole series to at most so many; the first, the last and the extremes of "
        "the loss are kept.",
    )


class LogsQuery(QueryParameters):
    offset: int | None = Field(None, ge=0, le=MOST_SEQ, description="First byte; the `next_offset` before. Default 0.")
    limit: int = Field(64 * 1024, ge=1, le=MOST_LOG_BYTES, description="Bytes in one answer.")
    tail: int | None = Field(None, ge=1, le=MOST_LOG_BYTES, description="The last so many bytes, in place of `offset`.")


class ArtifactsQuery(QueryParameters):
    only: Literal["result"] | None = Field(
        None, description="`result`: only what is needed to use the run's result, and its card."
    )


class CalibrationQuery(QueryParameters):
    after: Annotated[int, Field(ge=0, le=MOST_SEQ)] | None = Field(None, description="The `next` of the page before.")
    limit: int = Field(50, ge=1, le=200, description="Observations on a page.")


class EventsQuery(QueryParameters):
    after: Seq = Field(0, description="Only entries after this `seq`. `Last-Event-ID` overrules it.")
