"""The adapters of the Prices port, each as it is used, and joined."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.adapters.catalog.prices import CatalogPrices, CatalogSources
from orchestrator.adapters.local.prices import LocalPrices
from orchestrator.adapters.memory.clock import ManualClock
from orchestrator.domain.budget import Allowances
from orchestrator.ports.prices import Prices
from orchestrator.services.markets import JoinedPrices

CATALOGUE = """InstanceType,AcceleratorName,AcceleratorCount,vCPUs,MemoryGiB,Price,Region,GpuInfo,SpotPrice
gpu_8x,H200-SXM,8.0,128,1600,28.0,eu-north1,,11.6
gpu_1x,H200-SXM,1.0,16,200,3.5,eu-north1,,
"""
PRICE_FILE = """provider,region,instance_type,accelerator,count,price_per_hour
ownrack,cellar,box,H200,4,6.00
"""


def local() -> LocalPrices:
    return LocalPrices(4_000_000, Allowances(2, 8, 3), 15, ManualClock(), gpus=2)


def catalog(home: Path, full: bool) -> CatalogPrices:
    """The snapshot alone, or with SkyPilot's catalogue and a price file."""
    cloud, own = home / "sky" / "lumen", home / "prices.csv"
    if full:
        cloud.mkdir(parents=True)
        (cloud / "vms.csv").write_text(CATALOGUE)
        own.write_text(PRICE_FILE)
    sources = CatalogSources(home / "current.json", own if full else None, home / "sky")
    return CatalogPrices(sources, ManualClock())


@pytest.fixture(params=["local", "snapshot", "catalog", "joined"])
def prices(request: pytest.FixtureRequest, tmp_path: Path) -> Prices:
    """Each adapter of the port in turn."""
    if request.param == "local":
        return local()
    if request.param == "joined":
        return JoinedPrices([local(), catalog(tmp_path, full=True)])
    return catalog(tmp_path, full=request.param == "catalog")
