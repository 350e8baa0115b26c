"""A run's result, and the baseline that it stands beside, as the API shows them."""

from __future__ import annotations

from pydantic import Field

from api.schemas.plan import recipe
from api.schemas.view import FreeJson, View
from orchestrator.domain.baseline import Baseline
from orchestrator.domain.result import ResultKind
from orchestrator.services.results import ResultReading


class ResultView(View):
    """What the money bought so far. Its files are those of `/runs/{id}/artifacts?only=result`."""

    kind: ResultKind = Field(description="adapter: in PEFT's format, needs its base; model: whole.")
    path: str | None = Field(description="Its folder, as the artifacts' paths are; null where its files are not here.")
    base_model: str = Field(description="The model that was trained.")
    base_path: str | None = Field(description="The model that the adapter sits on, if the run made that one itself.")
    stage: str = Field(description="The stage that made it.")

    @classmethod
    def of(cls, result: ResultReading | None) -> ResultView | None:
        if result is None:
            return None
        return cls(
            kind=result.kind,
            path=result.path,
            base_model=result.base_model,
            base_path=result.base_path,
            stage=result.stage,
        )


class BaselineView(View):
    """The newest completed LoRA run on the same model and dataset that was measured on the same held-out rows."""

    run_id: str
    results: list[FreeJson] = Field(description="As a stage's `results`.")

    @classmethod
    def of(cls, baseline: Baseline | None) -> BaselineView | None:
        if baseline is None:
            return None
        return cls(run_id=baseline.run_id, results=[recipe(each) for each in baseline.results])
