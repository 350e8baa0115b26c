"""A configuration read with the machine it is meant for, and the shape of a rule about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Literal

from orchestrator.adapters.axolotl.translation import uses_galore

Device = Literal["cpu", "cuda"]


class Verdict(Enum):
    """What Axolotl's own validation says to a configuration that breaks the rule."""

    REFUSES = "refuses"
    ACCEPTS = "accepts"


@dataclass(frozen=True, slots=True)
class Setting:
    """A whole configuration in Axolotl's keys, and the machine that it is meant for."""

    config: Mapping[str, object]
    device: Device = "cuda"
    gpus: int = 1

    def has(self, *keys: str) -> bool:
        """Whether every one of `keys` is set to something that counts."""
        return all(self.config.get(key) for key in keys)

    def optimizer(self) -> str:
        """The optimizer's name, empty when none is named."""
        return str(self.config.get("optimizer") or "")

    def layerwise_galore(self) -> bool:
        """GaLore that steps layer by layer, inside the backward pass."""
        return uses_galore(self.config) and self.optimizer().endswith("_layerwise")

    def fsdp(self) -> int:
        """FSDP's version, 0 without FSDP; unversioned means 1."""
        inner = self.config.get("fsdp_config")
        if not isinstance(inner, Mapping) or not inner:
            return 2 if self.config.get("fsdp_version") == 2 and self.has("fsdp") else int(self.has("fsdp"))
        version = self.config.get("fsdp_version") or inner.get("fsdp_version") or inner.get("version")
        return 2 if str(version) == "2" else 1

    def zero_stage_3(self) -> bool:
        """DeepSpeed with partitioned parameters, told by an inline config or by the file's name."""
        deepspeed = self.config.get("deepspeed")
        if isinstance(deepspeed, Mapping):
            zero = deepspeed.get("zero_optimization")
            return isinstance(zero, Mapping) and zero.get("stage") == 3
        return "zero3" in str(deepspeed or "")


@dataclass(frozen=True, slots=True)
class Rule:
    """One contradiction.

    `fields` are those it is about, the likeliest culprit first; `reason` completes "field: ...".
    """

    id: str
    fields: tuple[str, ...]
    broken_by: Callable[[Setting], bool]
    reason: str
    axolotl: Verdict


def refused(id: str, fields: tuple[str, ...], broken_by: Callable[[Setting], bool], reason: str) -> Rule:
    """A rule that Axolotl's own validation knows as well."""
    return Rule(id, fields, broken_by, reason, Verdict.REFUSES)


def accepted(id: str, fields: tuple[str, ...], broken_by: Callable[[Setting], bool], reason: str) -> Rule:
    """A rule that only we have: Axolotl accepts what breaks it."""
    return Rule(id, fields, broken_by, reason, Verdict.ACCEPTS)
