"""Accelerators as their data sheets have them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Gpu:
    """`memory_gib` as the driver shows it, `hbm` in bytes/s, `peak` dense bf16 in FLOP/s, `link` to its neighbours in
    bytes/s in both directions together (PCIe where there is no NVLink)."""

    name: str
    memory_gib: float
    hbm: float
    peak: float
    link: float
    source: str

    @property
    def memory(self) -> int:
        """Bytes of device memory."""
        return int(self.memory_gib * GIB)


_SHEET = "NVIDIA data sheet"
_RECORDS = (
    Gpu("H200", 139.8, 4.8e12, 989e12, 900e9, _SHEET),
    Gpu("H100", 79.6, 3.35e12, 989e12, 900e9, _SHEET),
    Gpu("B200", 179.0, 8.0e12, 2250e12, 1800e9, _SHEET),
    Gpu("GB200", 184.0, 8.0e12, 2500e12, 1800e9, _SHEET),
    Gpu("GB300", 276.0, 8.0e12, 2500e12, 1800e9, _SHEET),
    Gpu("A100-80GB", 79.3, 2.04e12, 312e12, 600e9, _SHEET),
    Gpu("A100", 39.6, 1.555e12, 312e12, 600e9, _SHEET),
    Gpu("L40S", 44.5, 0.864e12, 362e12, 64e9, _SHEET),
    Gpu("A10G", 22.3, 0.6e12, 70e12, 64e9, _SHEET),
    Gpu("RTX4090", 23.6, 1.008e12, 165e12, 64e9, _SHEET),
)
GPUS: Mapping[str, Gpu] = MappingProxyType({gpu.name: gpu for gpu in _RECORDS})
