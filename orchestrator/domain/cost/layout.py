"""Layouts: how a training is cut for a machine, so that the same optimizer steps are made on any number of devices."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from orchestrator.domain.cost.setup import Checkpointing, Sharding
from orchestrator.domain.json_value import JsonValue
from orchestrator.domain.recipe import TrainingShape

MOST_MICRO_BATCH = 64
"""A GPU is busy long before a micro-step has more rows."""
LAYOUT_KEYS = ("micro_batch_size", "gradient_accumulation_steps", "gradient_checkpointing")
"""What a layout decides, in the trainer's keys."""


@dataclass(frozen=True, slots=True)
class Layout:
    """`micro_batch` rows per device and micro-step, `accumulation` micro-steps per optimizer step, on `devices`."""

    devices: int
    micro_batch: int
    accumulation: int
    checkpointing: Checkpointing
    sharding: Sharding = Sharding.NONE

    @property
    def rows_per_step(self) -> int:
        return self.devices * self.micro_batch * self.accumulation

    def settings(self) -> dict[str, JsonValue]:
        """The layout in the trainer's keys."""
        return {
            "micro_batch_size": self.micro_batch,
            "gradient_accumulation_steps": self.accumulation,
            "gradient_checkpointing": self.checkpointing is not Checkpointing.NONE,
        }


def layouts(
    shape: TrainingShape, devices: int, pinned: Collection[str], checkpointed: bool, shardings: Collection[Sharding]
) -> Iterator[Layout]:
    """Every way to make the optimizer steps of `shape` on so many devices.

    A step has the same rows whatever the machine: more devices share its rows, they do not add to them. Where they do
    not divide, the step gets the few rows more that fill every device. What is `pinned` stays as `shape` has it, and
    `checkpointed` if that is pinned; of micro-batch and accumulation both, the former does: one of them has to give.
    """
    rows = shape.micro_batch_size * shape.gradient_accumulation_steps
    for micro, accumulation in _cuts(shape, -(-rows // devices), pinned):
        for checkpointing in _checkpointings(pinned, checkpointed):
            for sharding in shardings if devices > 1 else (Sharding.NONE,):
                yield Layout(devices, micro, accumulation, checkpointing, sharding)


def as_written(shape: TrainingShape, devices: int, checkpointed: bool, pinned: Collection[str] = ()) -> Layout:
    """The recipe's own cut, for a machine that nothing is known about: no micro-batch larger than the recipe's, unless
    what is `pinned` makes it so."""
    rows = -(-shape.micro_batch_size * shape.gradient_accumulation_steps // devices)
    if pinned and {"micro_batch_size", "gradient_accumulation_steps"} & set(pinned):
        micro_batch, accumulation = next(_cuts(shape, rows, pinned))
    else:
        accumulation = -(-rows // shape.micro_batch_size)
        micro_batch = -(-rows // accumulation)
    checkpointing = Checkpointing.FULL if checkpointed else Checkpointing.NONE
    return Layout(devices, micro_batch, accumulation, checkpointing)


def _cuts(shape: TrainingShape, rows: int, pinned: Collection[str]) -> Iterator[tuple[int, int]]:
    """Micro-batch and accumulation for `rows` rows per device and step."""
    if "micro_batch_size" in pinned:
        yield shape.micro_batch_size, -(-rows // shape.micro_batch_size)
        return
    if "gradient_accumulation_steps" in pinned:
        yield -(-rows // shape.gradient_accumulation_steps), shape.gradient_accumulation_steps
        return
    yield from ((micro, rows // micro) for micro in range(1, min(rows, MOST_MICRO_BATCH) + 1) if rows % micro == 0)


def _checkpointings(pinned: Collection[str], checkpointed: bool) -> tuple[Checkpointing, ...]:
    if "gradient_checkpointing" not in pinned:
        return Checkpointing.NONE, Checkpointing.FULL
    return (Checkpointing.FULL if checkpointed else Checkpointing.NONE,)
