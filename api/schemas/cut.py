"""How a training is cut for a machine, and what the cost model says of it, term by term."""

from __future__ import annotations

from pydantic import Field

from api.schemas.view import View
from orchestrator.domain.cost.layout import Layout
from orchestrator.domain.cost.prediction import Term
from orchestrator.domain.cost.setup import Checkpointing, Sharding
from orchestrator.domain.plan import StagePlan


class TermView(View):
    """One summand of a prediction, and how it was reckoned."""

    name: str
    value: float
    formula: str

    @classmethod
    def of(cls, term: Term) -> TermView:
        return cls(name=term.name, value=term.value, formula=term.formula)


class LayoutView(View):
    """How a training is cut for the machine; the rows of an optimizer step are the same on every machine."""

    devices: int
    micro_batch_size: int = Field(description="Rows per device and micro-step.")
    gradient_accumulation_steps: int
    rows_per_step: int
    checkpointing: Checkpointing = Field(description="What is kept of a forward pass; the rest is computed twice.")
    sharding: Sharding = Field(description="What is split over the devices.")

    @classmethod
    def of(cls, layout: Layout) -> LayoutView:
        return cls(
            devices=layout.devices,
            micro_batch_size=layout.micro_batch,
            gradient_accumulation_steps=layout.accumulation,
            rows_per_step=layout.rows_per_step,
            checkpointing=layout.checkpointing,
            sharding=layout.sharding,
        )


class MemoryView(View):
    """The peak of one device's memory in bytes; `p95` decides whether it fits. The terms add up to `p50`."""

    p50: int
    p95: int
    limit: int
    terms: list[TermView]

    @classmethod
    def of(cls, part: StagePlan) -> MemoryView | None:
        """None where nothing is known of the device's memory."""
        fit = part.fit
        if fit is None:
            return None
        terms = [TermView.of(term) for term in part.memory_terms]
        return cls(p50=fit.middle, p95=fit.p95, limit=fit.limit, terms=terms)
