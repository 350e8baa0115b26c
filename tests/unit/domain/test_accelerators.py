"""The names of accelerators."""

from __future__ import annotations

import pytest

from orchestrator.domain.accelerators import accelerator_of, nearest_accelerators
from orchestrator.domain.cost.gpus import GPUS


@pytest.mark.parametrize(
    ("listed", "name"),
    [
        ("H200", "H200"),
        ("H200-SXM", "H200"),
        ("H200 141GB SXM5", "H200"),
        ("nvidia h200", "H200"),
        ("H100-SXM", "H100"),
        ("H100-80GB", "H100"),
        ("H100-MEGA-80GB", "H100"),
        ("A100-80GB-SXM", "A100-80GB"),
        ("A100-80GB-PCIe", "A100-80GB"),
        ("A100", "A100"),
        ("A100-40GB", "A100"),
        ("L40S", "L40S"),
        ("RTX 4090", "RTX4090"),
    ],
)
def test_the_clouds_names_of_a_product_are_one_name_here(listed: str, name: str) -> None:
    assert accelerator_of(listed) == name


@pytest.mark.parametrize("listed", ["H100-PCIe", "H200-NVL", "GH200", "H100-MIG-1g", "T4", "H20", "L40", "", "---"])
def test_another_product_is_not_taken_for_one_that_is_known(listed: str) -> None:
    assert accelerator_of(listed) is None


def test_every_known_accelerator_goes_by_its_own_name() -> None:
    assert {accelerator_of(name) for name in GPUS} == set(GPUS)


def test_a_misspelt_name_is_answered_with_the_likeliest() -> None:
    assert nearest_accelerators("h20O")[0] == "H200"
    assert set(nearest_accelerators("a potato")) == set(GPUS)
