"""Where ports meet adapters: the only place."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from orchestrator.adapters.artifacts.bucket import Bucket
from orchestrator.adapters.artifacts.folder import FolderArtifacts
from orchestrator.adapters.artifacts.layered import LayeredArtifacts
from orchestrator.adapters.artifacts.store import StoreArtifacts
from orchestrator.adapters.axolotl.trainer import CPU_ACCELERATOR, AxolotlTrainer
from orchestrator.adapters.catalog.prices import CatalogPrices, CatalogSources
from orchestrator.adapters.celery.wakeup import CeleryWakeup
from orchestrator.adapters.db.migrate import migrate as migrate_database
from orchestrator.adapters.db.store import SqlStore
from orchestrator.adapters.huggingface.hub import HuggingFaceHub
from orchestrator.adapters.inputs.folders import FolderInputs
from orchestrator.adapters.inputs.hub_configs import HubConfigs
from orchestrator.adapters.inputs.uploads import FolderDatasets
from orchestrator.adapters.local.compute import LocalCompute
from orchestrator.adapters.local.prices import LocalPrices
from orchestrator.adapters.redis.changes import RedisChanges, RedisNotify
from orchestrator.adapters.skypilot.client import SkyPilotClient
from orchestrator.adapters.skypilot.compute import SkyPilotCompute
from orchestrator.adapters.skypilot.tasks import NodeSetup
from orchestrator.adapters.system.clock import SystemClock
from orchestrator.adapters.system.ids import SystemIds
from orchestrator.domain.budget import Allowances
from orchestrator.domain.cost.model import CostModel
from orchestrator.domain.cost.setup import Sharding
from orchestrator.domain.errors import ComputeError, TrainerUnavailableError
from orchestrator.domain.json_value import JsonValue
from orchestrator.domain.money import MICROS_PER_DOLLAR
from orchestrator.ports.artifacts import Artifacts
from orchestrator.ports.clock import Clock
from orchestrator.ports.compute import Compute
from orchestrator.ports.datasets import Datasets
from orchestrator.ports.hub import Hub
from orchestrator.ports.ids import Ids
from orchestrator.ports.inputs import Inputs
from orchestrator.ports.prices import PriceBook, Prices, Refreshed
from orchestrator.ports.signals import Changes, Notify, Wakeup
from orchestrator.ports.store import Store
from orchestrator.ports.trainer import Trainer
from orchestrator.services.advance_run import AdvanceRun
from orchestrator.services.cancel_run import CancelRun
from orchestrator.services.check_price import CheckPrice
from orchestrator.services.current_model import CurrentModel
from orchestrator.services.draft import SpecifyRun
from orchestrator.services.guard_budgets import GuardBudgets
from orchestrator.services.health import CheckHealth, Probe
from orchestrator.services.learn import Learn
from orchestrator.services.learned import Learned
from orchestrator.services.markets import JoinedPrices, Markets, OfferedBy
from orchestrator.services.publish_result import PublishResult
from orchestrator.services.push_result import PushResult
from orchestrator.services.quote import Place, QuoteRun, Where
from orchestrator.services.read import ReadRuns
from orchestrator.services.read_datasets import ReadDatasets
from orchestrator.services.read_offers import ReadOffers
from orchestrator.services.reap import Reap
from orchestrator.services.routed_compute import RoutedCompute
from orchestrator.services.submit_run import SubmitRun
from orchestrator.services.sweep import Sweep
from orchestrator.services.top_up_budget import TopUpBudget
from orchestrator.services.upload_dataset import UploadDataset
from orchestrator.settings import CHECKOUT, Settings

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Ports:
    """One adapter for every port."""

    store: Store
    compute: Compute
    trainer: Trainer
    prices: Prices
    clouds: PriceBook
    inputs: Inputs
    datasets: Datasets
    artifacts: Artifacts
    hub: Hub
    clock: Clock
    ids: Ids
    wakeup: Wakeup
    notify: Notify
    changes: Changes
    probes: Mapping[str, Probe]


@dataclass(frozen=True, slots=True)
class Application:
    """The use cases, ready to be called."""

    settings: Settings
    quote: QuoteRun
    submit: SubmitRun
    read: ReadRuns
    offers: ReadOffers
    upload: UploadDataset
    datasets: ReadDatasets
    cancel: CancelRun
    top_up: TopUpBudget
    push: PushResult
    publish: PublishResult
    advance: AdvanceRun
    guard: GuardBudgets
    sweep: Sweep
    reap: Reap
    health: CheckHealth
    learned: Learned
    changes: Changes
    store: Store
    clock: Clock


def assemble(settings: Settings, ports: Ports) -> Application:
    """The use cases on `ports`."""
    learned = Learned(ports.store, ports.clock)
    model = CurrentModel(learned)
    here = (
        JoinedPrices((ports.prices, OfferedBy(ports.clouds, settings.rentable))) if settings.rentable else ports.prices
    )
    markets = Markets(here, model)
    quote = QuoteRun(
        _places(ports, markets, model), ports.clock, settings.price_max_age_days, rentable=settings.rentable
    )
    return Application(
        settings=settings,
        quote=quote,
        submit=SubmitRun(ports.store, quote, ports.clock, ports.ids, ports.wakeup, ports.notify),
        read=ReadRuns(ports.store, ports.artifacts, ports.clock),
        offers=ReadOffers(here, ports.clouds, ports.clock, settings.price_max_age_days),
        upload=UploadDataset(ports.datasets, ports.clock),
        datasets=ReadDatasets(ports.datasets),
        cancel=CancelRun(ports.store, ports.clock, ports.wakeup, ports.notify),
        top_up=TopUpBudget(ports.store, ports.clock, ports.wakeup, ports.notify),
        push=PushResult(ports.store, ports.artifacts, ports.hub, ports.clock, ports.wakeup, ports.notify),
        publish=PublishResult(ports.store, ports.artifacts, ports.hub, ports.clock, ports.notify),
        advance=AdvanceRun(
            ports.store,
            ports.compute,
            ports.trainer,
            markets,
            ports.clock,
            ports.notify,
            Learn(ports.store),
            _price_check(settings, ports),
        ),
        guard=GuardBudgets(ports.store, ports.compute, ports.clock),
        sweep=Sweep(ports.store, ports.clock, ports.wakeup),
        reap=Reap(ports.store, ports.compute),
        health=CheckHealth(ports.store, ports.clock, ports.probes),
        learned=learned,
        changes=ports.changes,
        store=ports.store,
        clock=ports.clock,
    )


def _price_check(settings: Settings, ports: Ports) -> CheckPrice:
    """Of everything that is known to be for rent."""
    everywhere = JoinedPrices((ports.prices, ports.clouds))
    tolerance = settings.price_tolerance_percent
    return CheckPrice(everywhere, ports.clouds, ports.clock, settings.price_max_age_days, tolerance)


def _places(ports: Ports, here: Markets, model: Callable[[], CostModel]) -> dict[Where, Place]:
    """What can be quoted: a plan for a cloud may split a training's memory, though none has been launched so yet. There
    a wish is read for GPUs, whatever this machine has."""
    everywhere = JoinedPrices((ports.prices, ports.clouds))
    split = (Sharding.NONE, Sharding.FULL)
    abroad = SpecifyRun(ports.inputs, AxolotlTrainer("cuda"))
    return {
        Where.HERE: Place(here, SpecifyRun(ports.inputs, ports.trainer)),
        Where.CLOUDS: Place(Markets(ports.clouds, model, split), abroad),
        Where.ANYWHERE: Place(Markets(everywhere, model, split), abroad),
    }


def build_application(settings: Settings) -> Application:
    """The use cases on the real adapters. Opens no connection: each is opened when it is first used."""
    return assemble(settings, open_ports(settings))


def open_ports(settings: Settings) -> Ports:
    """The adapters that `settings` ask for."""
    clock = SystemClock()
    prices = _prices(settings, clock)
    on_cpu = all(offer.accelerator == CPU_ACCELERATOR for offer in prices.offers())
    store = SqlStore(settings.resolved_database_url)
    return Ports(
        store=store,
        compute=_compute(settings, clock, store),
        trainer=AxolotlTrainer("cpu" if on_cpu else "cuda", settings.skypilot_node_device),
        prices=prices,
        clouds=_clouds(settings, clock),
        inputs=_inputs(settings),
        datasets=FolderDatasets(settings.uploads),
        artifacts=_artifacts(settings),
        hub=HuggingFaceHub(settings.hub_endpoint, settings.hub_secret),
        clock=clock,
        ids=SystemIds(),
        wakeup=CeleryWakeup(settings.redis_url),
        notify=RedisNotify(settings.redis_url),
        changes=RedisChanges(settings.redis_url),
        probes=_probes(settings),
    )


def migrate(settings: Settings) -> None:
    """Bring the database to the newest schema; safe to call from several processes at once."""
    migrate_database(settings.resolved_database_url)


def refresh_prices(settings: Settings, origin: str | None) -> Refreshed:
    """Read the prices of the clouds anew, and those at `origin`; see `PriceBook.refresh`."""
    return _clouds(settings, SystemClock()).refresh(origin)


def stop_local_machines(settings: Settings) -> None:
    """End every machine that this home rents on this computer. Its runs go on from their checkpoints when the service
    is started again and their budget pays for it."""
    compute = _local_compute(settings, SystemClock())
    for lease in compute.list_leases():
        try:
            compute.teardown(lease)
        except ComputeError:
            # The others must go all the same.
            log.exception("%s could not be ended", lease)


def _compute(settings: Settings, clock: Clock, store: Store) -> Compute:
    local = _local_compute(settings, clock)
    if settings.skypilot_address is None:
        return local
    secrets = {} if settings.hub_read_secret is None else {"HF_TOKEN": settings.hub_read_secret}
    python = (settings.skypilot_node_python or settings.node_python).absolute()
    node = NodeSetup(python, settings.skypilot_node_setup, secrets)
    home = settings.home.absolute()
    rented = SkyPilotCompute(_skypilot_client(settings), home, home, node, CHECKOUT, clock)
    return RoutedCompute(local, rented, store)


def _local_compute(settings: Settings, clock: Clock) -> LocalCompute:
    return LocalCompute(
        settings.home.absolute(),
        settings.node_python,
        CHECKOUT,
        clock,
        idle_seconds=settings.local_idle_seconds,
        store=_store_section(settings),
    )


def _store_section(settings: Settings) -> dict[str, JsonValue] | None:
    """What a job's document says of the store, less what is its own run's; None where there is no store."""
    if settings.artifacts_url is None:
        return None
    return {"url": settings.artifacts_url, "endpoint_url": settings.artifacts_endpoint_url or None}


def _artifacts(settings: Settings) -> Artifacts:
    here = FolderArtifacts(settings.home.absolute() / "runs")
    if settings.artifacts_url is None:
        return here
    bucket = Bucket(settings.artifacts_url, settings.artifacts_endpoint_url or None)
    return LayeredArtifacts(here, StoreArtifacts(bucket))


def _skypilot_client(settings: Settings) -> SkyPilotClient:
    """Every process of one home must be the same user to SkyPilot, and no other home may be: the reaper goes by it."""
    assert settings.skypilot_address is not None, "asked for only where SkyPilot is used"
    user = hashlib.sha256(str(settings.home.absolute()).encode()).hexdigest()[:8]
    return SkyPilotClient(settings.skypilot_address, user)


def _prices(settings: Settings, clock: Clock) -> LocalPrices:
    return LocalPrices(
        micros_per_device_hour=int(settings.local_dollars_per_device_hour * MICROS_PER_DOLLAR),
        allowances=Allowances(settings.detect_seconds, settings.checkpoint_seconds, settings.teardown_seconds),
        startup_seconds=settings.local_startup_seconds,
        clock=clock,
        gpus=settings.local_gpus,
    )


def _clouds(settings: Settings, clock: Clock) -> CatalogPrices:
    stored = settings.home.absolute() / "prices" / "current.json"
    catalogue = settings.skypilot_catalog.expanduser()
    # An empty one, as an unset variable of a container is, is none.
    own = settings.price_file if settings.price_file != Path() else None
    return CatalogPrices(CatalogSources(stored, own, catalogue, settings.price_source or None), clock)


def _inputs(settings: Settings) -> FolderInputs:
    data = settings.demo / "dataset"
    return FolderInputs(
        settings.default_model or str(settings.demo / "model"),
        settings.default_dataset or str(data / "train.jsonl"),
        None if settings.default_dataset else str(data / "heldout.jsonl"),
        settings.roots,
        settings.default_preferences or (None if settings.default_dataset else str(data / "preferences.jsonl")),
        FolderDatasets(settings.uploads),
        HubConfigs(settings.hub_endpoint, settings.hub_read_secret),
        settings.home.absolute() / "tokens",
    )


def _probes(settings: Settings) -> dict[str, Probe]:
    probes: dict[str, Probe] = {
        "trainer": lambda: _probe_trainer(settings),
        "demonstration": lambda: _probe_demonstration(settings),
    }
    if settings.skypilot_address is not None:
        probes["skypilot"] = lambda: _probe_skypilot(settings)
    return probes


def _probe_skypilot(settings: Settings) -> str:
    if not settings.skypilot_url and not os.access(settings.skypilot_program, os.X_OK):
        raise ComputeError(f"{settings.skypilot_program} is missing: run `make sky`")
    with closing(_skypilot_client(settings)) as client:
        health = client.health()
        if lacking := settings.rentable - set(client.enabled_clouds()):
            raise ComputeError(f"SkyPilot has no access to {', '.join(sorted(lacking))}: see `sky check`")
    rentable = ", ".join(sorted(settings.rentable)) or "nothing (LATTICEFORGE_SKYPILOT_PROVIDERS names nobody)"
    return f"SkyPilot {health.version} at {settings.skypilot_address}, rents from {rentable}"


def _probe_trainer(settings: Settings) -> str:
    if not os.access(settings.node_python, os.X_OK):
        raise TrainerUnavailableError(f"{settings.node_python} is missing: run `make trainer`")
    return f"{settings.node_python}"


def _probe_demonstration(settings: Settings) -> str:
    manifest = settings.demo / "manifest.json"
    if not manifest.is_file():
        raise TrainerUnavailableError(f"{manifest} is missing: `latticeforge up --demo` makes it")
    return f"{settings.demo}"
