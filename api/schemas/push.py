"""Publishing a run's result on the Hugging Face Hub."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StrictBool, WithJsonSchema

from api.schemas.view import Timestamp, View
from orchestrator.domain.publication import Publication, PublicationStatus


class PushBody(BaseModel):
    """Where the result is to go."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"repo": "me/tiny-lora"}, {"repo": "me/tiny-lora", "private": False}]},
    )

    repo: Annotated[Any, WithJsonSchema({"type": "string"})] = Field(
        description="`owner/name`; made if it is missing. Files of other names that it holds stay."
    )
    private: StrictBool = Field(
        True, description="Whether the repository is made private; a private push never goes into a public one."
    )


class PublicationView(View):
    """The newest push of a run's result, and how far it is."""

    repo: str
    private: bool
    status: PublicationStatus
    attempt: int = Field(description="Starts of the upload; failures that may pass are tried again.")
    asked_at: Timestamp
    ended_at: Timestamp | None
    url: str | None = Field(description="Where it is; null until it is there.")
    message: str = Field(description="What went wrong last, empty if nothing did.")

    @classmethod
    def of(cls, publication: Publication | None) -> PublicationView | None:
        if publication is None:
            return None
        return cls(
            repo=publication.repo,
            private=publication.private,
            status=publication.status,
            attempt=publication.attempt,
            asked_at=publication.asked_at,
            ended_at=publication.ended_at,
            url=publication.url,
            message=publication.message,
        )
