"""The examples in the API's document: real views of one imagined run, so that they cannot drift from the schemas."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from api.schemas.calibration import CalibrationView
from api.schemas.datasets import UploadedDatasetList, UploadedDatasetView
from api.schemas.files import ArtifactList, ArtifactView, LogView
from api.schemas.health import CheckView, LivenessView, ReadinessView
from api.schemas.journal import EventView, MetricSeries, MetricView
from api.schemas.ledger import LedgerView
from api.schemas.offer import OfferList
from api.schemas.problem import ProblemTypeView
from api.schemas.quote import QuoteView
from api.schemas.run import RunList, RunView
from api.schemas.strategy import StrategyList
from api.schemas.view import View
from orchestrator.domain import ledger
from orchestrator.domain.budget import Allowances, bill
from orchestrator.domain.cost.calibration import Observation, Quantity, accuracy, corrections
from orchestrator.domain.cost.fitted import FITTED
from orchestrator.domain.funding import plan_request, plan_stages
from orchestrator.domain.ids import RunId, StageId, dataset_id, lease_id
from orchestrator.domain.journal import Entry, EntryKind, StoredEntry
from orchestrator.domain.lease import Lease
from orchestrator.domain.lifecycle import RunStatus
from orchestrator.domain.money import Rate, parse_dollars
from orchestrator.domain.offer_book import OfferBook
from orchestrator.domain.offers import Offer
from orchestrator.domain.overheads import NOTHING
from orchestrator.domain.planner import Market, search
from orchestrator.domain.providers import ProviderFacts, Spread
from orchestrator.domain.run import DatasetRef, Run, RunSpec
from orchestrator.domain.stages import StageStatus
from orchestrator.domain.strategies import Wishes, expand, find_strategy
from orchestrator.ports.artifacts import Artifact, LogSlice
from orchestrator.ports.datasets import UploadedDataset
from orchestrator.ports.store import StoredObservation
from orchestrator.services.learned import CalibrationReading, CellReading
from orchestrator.services.quote import Quote
from orchestrator.services.read import ReadingPage, RunReading
from orchestrator.services.read_offers import ListedOffer, OfferPage

_SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_RUN_ID = RunId("run_3f9c1a7be204")
_STARTED = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
_NOW = _STARTED + timedelta(minutes=10)
_CAP = parse_dollars("12.50", "budget")
_STRATEGY = find_strategy("dora_neftune")
_OFFER = Offer(
    provider="local",
    region="here",
    instance_type="this-machine",
    accelerator="H200",
    accelerator_count=1,
    spot=False,
    rate=Rate(4_000_000),
    billing_quantum_seconds=1,
    minimum_seconds=1,
    priced_on=date(2026, 1, 1),
    price_source="setting, dollars per device-hour",
    capacity=1,
)
_SPEC = RunSpec(
    strategy=_STRATEGY.key,
    model="HuggingFaceTB/SmolLM2-135M",
    model_parameters=134_515_008,
    model_is_local=False,
    dataset=DatasetRef("tatsu-lab/alpaca", "alpaca", 52_002, 64, is_local=False),
    stages=expand(_STRATEGY, Wishes({})),
    seed=42,
    name="first try",
)
_PROVIDER = ProviderFacts(
    "local", 1, 1, Spread(1, 2, "an example"), NOTHING, Spread(1e8, 2e7, "an example"), NOTHING, 0, None, True,
    "an example", startup=Spread(15, 30, "an example"),
)  # fmt: skip
_FOUND = search(
    plan_request(_SPEC, (), _CAP, None),
    Market(OfferBook((_OFFER,)), {"local": _PROVIDER}, {"local": Allowances(2, 8, 3)}, FITTED),
    _STARTED,
)
_PLAN = _FOUND.plan


def _reading() -> RunReading:
    """A run ten minutes into its training."""
    lease = Lease(lease_id(_RUN_ID, 1), _RUN_ID, _OFFER, _PLAN.window, _STARTED, ready_at=_STARTED)
    granted = ledger.grant(_RUN_ID, _CAP, _STARTED, "cap")
    reserved = ledger.reserve((granted,), _RUN_ID, lease.id, _PLAN.window.reserve, _STARTED, "funding")
    queued = Run(_RUN_ID, _SPEC, _STARTED)
    train, *others = plan_stages(queued, _PLAN)
    training = replace(
        train,
        status=StageStatus.RUNNING,
        attempt=1,
        step=1200,
        max_steps=_PLAN.planned_steps,
        intended_steps=_PLAN.intended_steps,
        soft_deadline=_PLAN.window.soft - timedelta(seconds=_PLAN.stages[-1].seconds),
        hard_deadline=_PLAN.window.hard - timedelta(seconds=_PLAN.stages[-1].seconds),
        started_at=_STARTED,
    )
    run = replace(queued, status=RunStatus.RUNNING, plan=_PLAN, stages=(training, *others), leases=1, lease_id=lease.id)
    postings = (granted, reserved)
    return RunReading(run, lease, postings, ledger.fold(postings), bill(_OFFER, _STARTED, _NOW), _NOW)


_READING = _reading()
_STEP = StoredEntry(
    1207,
    Entry(
        _RUN_ID,
        EntryKind.METRIC,
        _NOW,
        "metric:01-train:1:90112:0",
        {
            "event": "step",
            "at": _NOW.timestamp(),
            "step": 1200,
            "max_steps": _PLAN.planned_steps,
            "loss": 1.342,
            "learning_rate": 4.1e-05,
            "grad_norm": 0.71,
            "epoch": 0.37,
            "tokens": 2_150_400,
            "tokens_per_second": 3584.0,
            "elapsed_seconds": 600.0,
        },
        StageId("01-train"),
    ),
)

EVENT_TEXT = f"id: {_STEP.seq}\nevent: metric\ndata: {EventView.of(_STEP).model_dump_json()}\n\n"
LOG = LogView.of(LogSlice("step 1200: loss 1.342\n", 90_133))
NOT_READY = ReadinessView(ready=False, checks=[CheckView(name="worker", ok=False, detail="no sign of life yet")])

_UPLOADED = UploadedDatasetView.of(
    UploadedDataset(
        id=dataset_id(_SHA256),
        name="support answers",
        format="chat_pairs",
        rows=12_000,
        bytes=18_350_221,
        sha256=_SHA256,
        media_type="application/x-ndjson",
        uploaded_at=_STARTED,
    )
)

_OBSERVED = Observation(
    run_id=_RUN_ID,
    stage_index=0,
    attempt=1,
    at=_NOW,
    framework="axolotl",
    gpu=_OFFER.accelerator,
    gpu_count=1,
    method="dora",
    precision="bf16",
    model=_SPEC.model,
    quantity=Quantity.SECONDS_PER_STEP,
    predicted=0.41,
    predicted_low=0.33,
    predicted_high=0.51,
    actual=0.44,
)
_CALIBRATION = CalibrationReading(
    cells=(
        CellReading(
            _OBSERVED.quantity, _OBSERVED.cell, accuracy([_OBSERVED]), corrections([_OBSERVED])[_OBSERVED.cell]
        ),
    ),
    overall=accuracy([_OBSERVED]),
    observations=(StoredObservation(12, _OBSERVED),),
    next_before=None,
)

EXAMPLES: Mapping[str, View] = {
    type(example).__name__: example
    for example in (
        RunView.of(_READING),
        RunList.of(ReadingPage((_READING,), None)),
        LedgerView.of(_READING),
        QuoteView.of(Quote(_SPEC, _CAP, _FOUND), ListedOffer(_OFFER, 0, False)),
        OfferList.of(OfferPage((ListedOffer(_OFFER, 0, False),), 1, None, ())),
        StrategyList.whole((_STRATEGY,)),
        CalibrationView.of(_CALIBRATION),
        MetricSeries(metrics=[MetricView.of(_STEP)], next=_STEP.seq, more=False),
        LOG,
        ArtifactList(
            artifacts=[ArtifactView.of(_RUN_ID, Artifact("01-train/output/adapter_config.json", 812, True))], bytes=812
        ),
        _UPLOADED,
        UploadedDatasetList(datasets=[_UPLOADED], bytes=_UPLOADED.bytes),
        LivenessView(status="alive"),
        ReadinessView(ready=True, checks=[CheckView(name="database", ok=True, detail="answers")]),
        ProblemTypeView(
            type="/problems/conflict",
            title="The present state does not allow this",
            status=409,
            meaning="The thing is in a state that does not allow what was asked.",
        ),
    )
}
"""One for every answer, by the name of its schema."""
