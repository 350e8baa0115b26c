"""One look at one run for its page: each part is read when a template first asks for it, and then kept."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from api.web import charts, present, records
from api.web.curves import Curves, LossCurve, SpendPoint, spend_curve
from api.web.forms import TopUpForm
from api.web.stages import Recipe, StageRow, recipes, stage_rows
from orchestrator.bootstrap import Application
from orchestrator.domain.errors import ArtifactStoreError
from orchestrator.domain.ids import RunId
from orchestrator.domain.journal import EntryKind
from orchestrator.domain.run import Run
from orchestrator.ports.artifacts import Artifact
from orchestrator.services.read import RunReading

LOG_BYTES = 64 * 1024
MOST_ENTRIES = 1000
_TOLD = frozenset(EntryKind) - {EntryKind.METRIC}


class RunView:
    """`NotFoundError` at once if there is none. `top_up` is the form with what was typed, `problems` by its field."""

    def __init__(
        self,
        app: Application,
        curves: Curves,
        run_id: RunId,
        top_up: TopUpForm,
        problems: dict[str, tuple[str, ...]] | None = None,
    ) -> None:
        self._app = app
        self._curves = curves
        self.reading: RunReading = app.read.one(run_id)
        self.run: Run = self.reading.run
        self.live = present.is_live(self.run)
        self.title = present.title(self.run)
        self.strategy = present.strategy_title(self.run)
        self.top_up = top_up
        self.problems = problems or {}
        self.can_cancel = present.can_cancel(self.run)
        self.can_top_up = present.can_top_up(self.run)
        self.summary = present.summary(self.reading)

    @cached_property
    def curve(self) -> LossCurve:
        return self._curves.of(self._app.read, self.run.id)

    @cached_property
    def headline(self) -> present.Headline:
        return present.headline(self.reading, self.curve)

    @cached_property
    def evaluation(self) -> records.Evaluation | None:
        return records.evaluation(self.run, self.reading.baseline)

    @cached_property
    def stages(self) -> tuple[StageRow, ...]:
        return stage_rows(self.run, self.reading.at)

    @cached_property
    def recipes(self) -> tuple[Recipe, ...]:
        return recipes(self.run.spec.stages)

    @cached_property
    def ledger(self) -> tuple[records.LedgerRow, ...]:
        return records.ledger_rows(self.reading.postings)

    @cached_property
    def accounts(self) -> tuple[records.AccountRow, ...]:
        return records.accounts(self.reading)

    @cached_property
    def history(self) -> tuple[records.Event, ...]:
        return records.history(self._app.read.journal(self.run.id, 0, MOST_ENTRIES, _TOLD), self.run)

    @cached_property
    def artifacts(self) -> tuple[Artifact, ...] | None:
        """None while their store does not answer."""
        try:
            return self._app.read.artifacts(self.run.id)
        except ArtifactStoreError:
            return None

    @cached_property
    def log(self) -> str:
        try:
            tail = self._app.read.log(self.run.id, -LOG_BYTES, LOG_BYTES)
        except ArtifactStoreError as error:
            return str(error)
        return records.log_tail(tail.text, is_cut=tail.next_offset > LOG_BYTES)

    @cached_property
    def spend(self) -> tuple[SpendPoint, ...]:
        held = dict.fromkeys(posting.lease_id for posting in self.reading.postings if posting.lease_id is not None)
        leases = [self._app.store.lease(lease) for lease in held]
        return spend_curve(self.reading.postings, leases, self.run.ended_at or self.reading.at)

    @cached_property
    def trainings(self) -> tuple[charts.TrainingRow, ...]:
        return charts.training_rows(self.run, self.curve)

    @cached_property
    def loss_drawing(self) -> charts.LossDrawing | None:
        return charts.loss_drawing(self.run, self.curve)

    @property
    def spend_line(self) -> str:
        return charts.spend_line(self.spend, self.reading.balance.cap.micros)

    @property
    def chart_data(self) -> dict[str, Any]:
        return charts.chart_data(self.run, self.curve, self.spend)
