"""Providers: what is true of all the offers of one provider, for the arithmetic of time and dollars."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

from orchestrator.domain.errors import InvalidInputError


@dataclass(frozen=True, slots=True)
class Spread:
    """A figure that varies: its median and the 95th percentile of its *bad* side, in seconds or in bytes/s.

    For a time the bad side is long (`p95 >= p50`); for a rate of transfer it is slow, so that there `p95 <= p50`. The
    two are told apart by the field that holds the spread, not here. `source` says where the figures were read, and
    begins with `believed` where nobody measured them.
    """

    p50: float
    p95: float
    source: str

    def __post_init__(self) -> None:
        if not all(isfinite(value) and value >= 0 for value in (self.p50, self.p95)):
            raise InvalidInputError.of("spread", f"{self.p50:g} and {self.p95:g} must be finite and not below zero")

    @property
    def is_believed(self) -> bool:
        """True of a figure that was not found in a source."""
        return self.source.startswith("believed")


@dataclass(frozen=True, slots=True)
class ProviderFacts:
    """How a provider bills, and how long its machines take to start, to be filled and to go.

    `provision` runs from the request to a machine that runs commands, without any search for capacity; `image_pull`
    and `teardown` are seconds, `download_bytes_per_second` is bytes/s from the model hub to the machine's disk.
    `startup` runs from a job's start to its first training step, without loading the weights, which the disk decides.
    `spot_notice_seconds` is the warning before a spot machine is taken, None when unknown or when there is no spot.
    `autostop` says whether the provider's side can end a machine without us (a dead-man switch), None when unknown.
    `egress_micros_per_gib` is the price of what leaves the provider's network, None when unknown.
    """

    name: str
    billing_quantum_seconds: int
    minimum_seconds: int
    provision: Spread
    image_pull: Spread
    download_bytes_per_second: Spread
    teardown: Spread
    storage_micros_per_gib_hour: int
    spot_notice_seconds: int | None
    autostop: bool | None
    source: str
    egress_micros_per_gib: int | None = None
    startup: Spread = Spread(40.0, 90.0, "believed: a trainer's imports and its first, slower step")
    disk_bytes_per_second: Spread = Spread(1e9, 4e8, "believed: a local NVMe disk, read or written in one stream")

    def __post_init__(self) -> None:
        if self.billing_quantum_seconds < 1:
            raise InvalidInputError.of("billing_quantum_seconds", "must be at least one second")
        if min(self.minimum_seconds, self.storage_micros_per_gib_hour) < 0:
            raise InvalidInputError.of("provider", "the minimum and the storage price must not be below zero")
        for name in ("download_bytes_per_second", "disk_bytes_per_second"):
            rate: Spread = getattr(self, name)
            if min(rate.p50, rate.p95) <= 0:
                raise InvalidInputError.of(name, "must be above zero")


def unlisted(name: str) -> ProviderFacts:
    """Of a provider whose offers are listed no more: a lease of it that lives on is still to be shared out."""
    believed = "believed: no offer of this provider is listed any more"
    return ProviderFacts(
        name=name,
        billing_quantum_seconds=3600,
        minimum_seconds=3600,
        provision=Spread(180.0, 600.0, believed),
        image_pull=Spread(240.0, 480.0, believed),
        download_bytes_per_second=Spread(2e8, 4e7, believed),
        teardown=Spread(60.0, 180.0, believed),
        storage_micros_per_gib_hour=0,
        spot_notice_seconds=None,
        autostop=None,
        source=believed,
    )
