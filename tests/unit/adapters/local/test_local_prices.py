"""What this machine is offered for."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from orchestrator.adapters.local.prices import LocalPrices, accelerator_name
from orchestrator.adapters.memory.clock import START, ManualClock
from orchestrator.domain.budget import Allowances
from orchestrator.domain.errors import InvalidInputError
from orchestrator.domain.offers import Offer


def prices(gpus: int | None = None, micros: int = 2_500_000) -> LocalPrices:
    return LocalPrices(micros, Allowances(2, 10, 5), 20, ManualClock(), gpus)


def driver(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose `nvidia-smi` is `script`."""
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def shown(offers: tuple[Offer, ...]) -> list[tuple[str, int, int]]:
    return [(offer.accelerator, offer.accelerator_count, offer.rate.micros_per_hour) for offer in offers]


@pytest.mark.parametrize("script", ["exit 9", "true"])
def test_a_machine_without_a_gpu_is_one_cpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    driver(tmp_path, script, monkeypatch)
    assert shown(prices().offers()) == [("CPU", 1, 2_500_000)]


def test_a_machine_without_a_driver_is_one_cpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert shown(prices().offers()) == [("CPU", 1, 2_500_000)]


def test_each_number_of_like_gpus_is_an_offer_at_its_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    driver(tmp_path, "echo NVIDIA H200; echo NVIDIA H200; echo NVIDIA L40S", monkeypatch)
    assert shown(prices().offers()) == [("H200", 1, 2_500_000), ("H200", 2, 5_000_000)]


def test_the_setting_overrules_the_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    driver(tmp_path, "echo NVIDIA H200; echo NVIDIA H200", monkeypatch)
    assert shown(prices(gpus=0).offers()) == [("CPU", 1, 2_500_000)]
    assert shown(prices(gpus=1).offers()) == [("H200", 1, 2_500_000)]


def test_an_offer_is_billed_by_the_second_and_dated() -> None:
    (offer,) = prices(gpus=0).offers()
    assert offer.cost(1).micros == 695
    assert (offer.capacity, offer.spot, offer.priced_on) == (1, False, START.date())
    assert prices().allowances()[offer.provider].total == 17
    assert prices().facts()[offer.provider].startup.p50 == 20
    assert offer.priced_on == (START + timedelta(hours=1)).date()


def test_a_machine_that_costs_nothing_is_not_for_sale() -> None:
    with pytest.raises(InvalidInputError):
        prices(micros=0)


@pytest.mark.parametrize(
    ("product", "name"),
    [
        ("NVIDIA H200", "H200"),
        ("NVIDIA H100 80GB HBM3", "H100"),
        ("NVIDIA A100-SXM4-80GB", "A100-80GB"),
        ("NVIDIA A100 80GB PCIe", "A100-80GB"),
        ("NVIDIA A100-SXM4-40GB", "A100"),
        ("NVIDIA L40S", "L40S"),
        ("NVIDIA H100 PCIe", "H100"),
        ("NVIDIA H100 NVL", "H100"),
        ("NVIDIA GeForce RTX 4090", "RTX4090"),
        ("NVIDIA GeForce RTX 3090", "RTX3090"),
        ("NVIDIA RTX A6000", "RTXA6000"),
        ("NVIDIA GH200 480GB", "GH200"),
        ("NVIDIA L4", "L4"),
        ("", "GPU"),
    ],
)
def test_products_go_by_their_short_names(product: str, name: str) -> None:
    assert accelerator_name(product) == name
