"""What litgpt's published configurations say that its table of measurements leaves out.

Read from `config_hub/finetune/NAME/METHOD.yaml` of Lightning-AI/litgpt (commits of 2024), which the table's rows name.
All have a dropout of 0.05 to 0.1 on the adapter and at most 512 tokens in a sample. Phi-3's says one device, whose 22
GiB its weights, gradients and moments in bf16 (31 GiB) do not fit: it is counted as two, as the others of its size are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class HubRun:
    """`everywhere` adapts every matrix instead of queries and values; `full_devices` train all weights, sharded."""

    rank: int = 32
    everywhere: bool = False
    full_devices: int = 1


RUNS: Mapping[str, HubRun] = MappingProxyType(
    {
        "gemma-2b": HubRun(8, everywhere=True, full_devices=4),
        "gemma-7b": HubRun(16, everywhere=True),
        "gemma2-2b": HubRun(8, everywhere=True),
        "gemma2b": HubRun(8, everywhere=True),
        "gemma2-9b": HubRun(16, everywhere=True),
        "phi-2": HubRun(8, everywhere=True, full_devices=2),
        "phi-3": HubRun(8, everywhere=True, full_devices=2),
        "stablelm-base-alpha-3b": HubRun(full_devices=2),
        "tiny-llama": HubRun(everywhere=True),
    }
)
DROPOUT = 0.05
PLAIN = HubRun()
"""What the other configurations have."""
