"""What a lease takes beside training: the machine, the model on its disk, every start, merges, what is brought home."""

from __future__ import annotations

import math
from dataclasses import dataclass

from orchestrator.domain.offers import LOCAL_PROVIDER
from orchestrator.domain.providers import ProviderFacts, Spread

MERGE_BYTES_PER_SECOND = 400e6
"""Reading, adding and writing 16-bit weights on an ordinary disk; a merge is bound by it."""
MERGE_START = 0.5
"""A merge starts without the trainer: half of what that takes."""
INTERRUPTIONS_PER_HOUR = 0.05
"""Spot machines taken away, believed; each costs a new machine, a new start and the work since the last checkpoint."""
WORK_LOST_SECONDS = 300
NOTHING = Spread(0.0, 0.0, "nothing to do")


@dataclass(frozen=True, slots=True)
class Sizes:
    """Bytes that are moved: the model, one checkpoint, and the result that is brought home.

    `is_here` says that the model lies on this machine's own disk already.
    """

    model: int
    checkpoint: int
    result: int
    is_here: bool


@dataclass(frozen=True, slots=True)
class Wait:
    """One named stretch of time beside training, in seconds."""

    name: str
    spread: Spread


@dataclass(frozen=True, slots=True)
class Overheads:
    """Seconds on one provider for one model, as whole numbers to plan with (`provision`, `startup`, ... at p50), and
    as `waits` with their p95 to tell from.

    `provision` comes once, before the first stage; `startup` before each training; a `merge` is one merge with its
    start; `upload` comes once, after the last stage; `saving` is the time of one more checkpoint than the allowances
    know of, the upper bound for a model of this size.
    """

    provision: int
    startup: int
    merge: int
    upload: int
    saving: int
    waits: tuple[Wait, ...]

    @property
    def merge_share(self) -> int:
        """What a merge is given: it has no way to stop halfway, so its share has room."""
        return math.ceil(self.merge * 1.5)

    def wait(self, name: str) -> Spread:
        """The stretch of that name."""
        return next((each.spread for each in self.waits if each.name == name), NOTHING)

    def slow(self, *names: str) -> float:
        """p95 of these stretches together, as independent ones add up: middles, and deviations by squares."""
        spreads = [self.wait(name) for name in names]
        return sum(each.p50 for each in spreads) + math.hypot(*(each.p95 - each.p50 for each in spreads))


def overheads_of(facts: ProviderFacts, sizes: Sizes) -> Overheads:
    """The overheads of `facts`' machines for a model of these sizes."""
    is_local = facts.name == LOCAL_PROVIDER
    disk, net = facts.disk_bytes_per_second, facts.download_bytes_per_second
    download = NOTHING if is_local and sizes.is_here else _moving(sizes.model, net)
    upload = NOTHING if is_local else _moving(sizes.result, net)
    waits = (
        Wait("provision", facts.provision),
        Wait("image_pull", facts.image_pull),
        Wait("model_download", download),
        Wait("startup", facts.startup),
        Wait("model_load", _moving(sizes.model, disk)),
        Wait("checkpoint_save", _moving(sizes.checkpoint, disk)),
        Wait("upload", upload),
    )
    middle = {wait.name: wait.spread.p50 for wait in waits}
    return Overheads(
        provision=math.ceil(middle["provision"] + middle["image_pull"] + middle["model_download"]),
        startup=math.ceil(middle["startup"] + int(middle["model_load"])),
        merge=math.ceil(facts.startup.p50 * MERGE_START) + math.ceil(3 * sizes.model / MERGE_BYTES_PER_SECOND),
        upload=math.ceil(upload.p95),
        saving=int(sizes.checkpoint / disk.p95),
        waits=waits,
    )


def _moving(size: int, rate: Spread) -> Spread:
    """Seconds to move `size` bytes at `rate` bytes/s, whose bad side is the slow one."""
    gigabytes = size / 1e9
    return Spread(size / rate.p50, size / rate.p95, f"{gigabytes:.2f} GB at {rate.p50 / 1e6:.0f} MB/s ({rate.source})")
