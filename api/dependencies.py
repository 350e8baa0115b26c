"""What every route asks for: the application, the run's id, the idempotency key."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import Depends, Header, Path, Request

from orchestrator.bootstrap import Application
from orchestrator.domain.errors import InvalidInputError
from orchestrator.domain.ids import DatasetId, RunId, parse_dataset_id, parse_run_id
from orchestrator.services.submit_run import MAX_IDEMPOTENCY_KEY


async def _application(request: Request) -> Application:
    return cast(Application, request.app.state.application)


async def _run_id(
    run_id: Annotated[str, Path(description="A run's id.", examples=["run_3f9c1a7be204"])],
) -> RunId:
    return parse_run_id(run_id)


async def _dataset_id(
    dataset_id: Annotated[str, Path(description="An uploaded dataset's id.", examples=["ds_9f86d081884c7d65"])],
) -> DatasetId:
    return parse_dataset_id(dataset_id)


async def _idempotency_key(
    key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            description="Any text of your own: the same key with the same request is done once, however often it is "
            f"sent. At most {MAX_IDEMPOTENCY_KEY} characters.",
            examples=["order-2026-01-01-a"],
        ),
    ] = None,
) -> str | None:
    if key is not None and (not key.strip() or len(key) > MAX_IDEMPOTENCY_KEY or not key.isprintable()):
        raise InvalidInputError.of("Idempotency-Key", f"must be 1 to {MAX_IDEMPOTENCY_KEY} printable characters")
    return key


App = Annotated[Application, Depends(_application)]
DatasetIdPath = Annotated[DatasetId, Depends(_dataset_id)]
RunIdPath = Annotated[RunId, Depends(_run_id)]
IdempotencyKey = Annotated[str | None, Depends(_idempotency_key)]
