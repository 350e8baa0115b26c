"""All the sources as one: which counts, and when they are read."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from orchestrator.adapters.catalog import prices as catalog_module
from orchestrator.adapters.catalog.prices import CatalogPrices, CatalogSources
from orchestrator.adapters.catalog.snapshot import snapshot
from orchestrator.adapters.memory.clock import ManualClock
from orchestrator.domain.offers import Offer

HEADER = "provider,region,instance_type,accelerator,count,price_per_hour"
SKY = "InstanceType,AcceleratorName,AcceleratorCount,vCPUs,MemoryGiB,Price,Region,GpuInfo,SpotPrice"
SEEWEB = "seeweb/it-fr2/ECS1GPU10:1:on-demand"


def catalog(home: Path) -> CatalogPrices:
    return CatalogPrices(CatalogSources(home / "current.json", home / "own.csv", home / "sky"), ManualClock())


def own(home: Path, *rows: str) -> None:
    (home / "own.csv").write_text("\n".join((HEADER, *rows, "")))


def seed(home: Path, cloud: str, *rows: str) -> None:
    (home / "sky" / cloud).mkdir(parents=True, exist_ok=True)
    (home / "sky" / cloud / "vms.csv").write_text("\n".join((SKY, *rows, "")))


def price(prices: CatalogPrices, offer_id: str) -> str | None:
    found = next((offer for offer in prices.offers() if offer.id == offer_id), None)
    return None if found is None else f"{found.rate.micros_per_hour / 1e6:.2f}"


def test_the_users_file_wins_over_skypilot_and_skypilot_over_the_snapshot(tmp_path: Path) -> None:
    prices = catalog(tmp_path)
    assert price(prices, SEEWEB) == "2.60"
    seed(tmp_path, "seeweb", "ECS1GPU10,H200,1,32,256,2.70,it-fr2,,")
    assert price(prices, SEEWEB) == "2.70"
    own(tmp_path, "seeweb,it-fr2,ECS1GPU10,H200,1,2.80")
    assert price(prices, SEEWEB) == "2.80"
    (tmp_path / "list.csv").write_text(f"{HEADER}\nseeweb,it-fr2,ECS1GPU10,H200,1,2.75\n")
    prices.refresh(str(tmp_path / "list.csv"))
    assert price(prices, SEEWEB) == "2.80"
    own(tmp_path, "acme,eu,box,H200,1,2.80")
    assert price(prices, SEEWEB) == "2.75"


def test_a_size_that_the_user_took_out_of_the_file_is_offered_no_more(tmp_path: Path) -> None:
    own(tmp_path, "acme,eu,box,H200,1,2.80", "acme,eu,box,H200,2,5.60")
    prices = catalog(tmp_path)
    prices.refresh()
    assert price(prices, "acme/eu/box:2:on-demand") == "5.60"
    own(tmp_path, "acme,eu,box,H200,1,2.80")
    assert price(prices, "acme/eu/box:2:on-demand") is None


def test_a_file_that_breaks_keeps_what_it_said_and_the_remarks_say_why(tmp_path: Path) -> None:
    own(tmp_path, "acme,eu,box,H200,1,2.80")
    prices = catalog(tmp_path)
    assert price(prices, "acme/eu/box:1:on-demand") == "2.80"
    own(tmp_path, "acme,eu,box,H200,1,-2.80")
    assert price(prices, "acme/eu/box:1:on-demand") == "2.80"
    assert "prices:2: price_per_hour must be above zero" in prices.remarks()[0]


def test_a_cloud_whose_file_breaks_keeps_its_offers_and_the_others_go_on(tmp_path: Path) -> None:
    seed(tmp_path, "lumen", "1x,H200,1,1,1,2.00,eu,,")
    seed(tmp_path, "radix", "1x,H200,1,1,1,3.00,eu,,")
    prices = catalog(tmp_path)
    assert price(prices, "lumen/eu/1x:1:on-demand") == "2.00"
    (tmp_path / "sky" / "lumen" / "vms.csv").write_text("")
    seed(tmp_path, "radix", "1x,H200,1,1,1,3.50,eu,,")
    assert price(prices, "lumen/eu/1x:1:on-demand") == "2.00"
    assert price(prices, "radix/eu/1x:1:on-demand") == "3.50"
    assert any("lumen/vms.csv lacks columns" in remark for remark in prices.remarks())


def test_a_catalogue_without_anything_to_train_on_is_no_defect(tmp_path: Path) -> None:
    seed(tmp_path, "lumen", "1x,T4,1,1,1,2.00,eu,,")
    own(tmp_path, "acme,eu,box,H200,1,2.80")
    assert catalog(tmp_path).refresh().by_source["SkyPilot's catalogue"] == 0


def test_five_thousand_offers_are_read_once_until_a_file_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for cloud in range(10):
        seed(tmp_path, f"cloud{cloud}", *(f"m{each},H200,1,1,1,{each + 1}.25,r{each % 20},," for each in range(500)))
    readings = 0
    real = catalog_module.read_catalogue

    def counting(folder: Path) -> object:
        nonlocal readings
        readings += 1
        return real(folder)

    monkeypatch.setattr(catalog_module, "read_catalogue", counting)
    prices = catalog(tmp_path)
    first = prices.offers()
    assert len(first) == 5000 + len(snapshot())
    assert all(prices.offers() is first and prices.facts()["cloud3"].name == "cloud3" for _ in range(50))
    assert readings == 1

    os.utime(tmp_path / "sky" / "cloud3" / "vms.csv", (1, 1))
    again = prices.offers()
    assert (readings, len(again), again is first) == (2, len(first), False)


def test_one_adapter_is_shared_between_threads(tmp_path: Path) -> None:
    prices = catalog(tmp_path)
    own(tmp_path, "acme,eu,box,H200,1,2.80")

    def look(number: int) -> tuple[Offer, ...]:
        own_prices = prices.offers()
        if number % 5 == 0:
            prices.refresh()
        return own_prices

    with ThreadPoolExecutor(8) as pool:
        assert len({len(offers) for offers in pool.map(look, range(40))}) == 1
