"""What is known of each provider, and what is taken for granted, on the careful side, where nothing is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from math import ceil
from types import MappingProxyType

from orchestrator.domain.budget import Allowances
from orchestrator.domain.providers import ProviderFacts, Spread

HOUR = 3600
_GIB_PER_GB = Decimal(1 << 30) / 10**9
_HOURS_PER_MONTH = 730

_AWS_START = Spread(120, 240, "SkyPilot pull request 4091 (2024-10): 101 to 147 s without the search; p95 believed")
_GCP_START = Spread(160, 300, "SkyPilot pull request 1092 (2022): medians of 133 to 182 s, CPU machines; p95 believed")
_CONTAINER_START = Spread(40, 120, "cold starts of 0.6 to 0.8 min on RunPod, read 2026-10-19; p95 believed")
_MACHINE_START = Spread(180, 600, "believed: a virtual machine and its set-up of about 180 s (SkyPilot issue 3334)")
_IMAGE_PULL = Spread(240, 480, "believed: 10 to 13 GB compressed, 2 to 6 min cold")
_DOWNLOAD = Spread(500e6, 150e6, "believed: 0.3 to 1.5 GB/s on a link of 10 Gbit/s or more")
_SHARED_DOWNLOAD = Spread(200e6, 40e6, "believed: hosts of a marketplace have links of their own, some slow")
_TEARDOWN = Spread(60, 180, "SkyPilot 0.14.1 on a Slurm node: 6 s by request, 55 to 118 s by autodown; p95 believed")

_STARTUP = Spread(45, 120, "believed: a trainer's imports, tokenising, its first steps; loading weights not counted")
DETECT_SECONDS = 90
"""SkyPilot 0.14.1 shows a machine that is gone as up for at most 60 s; the rest is the guard's own round."""
CHECKPOINT_SECONDS = 120
"""Believed: a full 8B with its optimizer, 48 to 80 GB at 1 to 2 GB/s, takes 20 to 90 s."""


@dataclass(frozen=True, slots=True)
class _Row:
    """One provider: how it bills (seconds), the dollars of a GB kept for a month and of a GB sent out, its spot
    notice (seconds), whether its side ends a machine by itself, its start and its link."""

    name: str
    quantum: int
    minimum: int
    source: str
    provision: Spread = _MACHINE_START
    download: Spread = _DOWNLOAD
    storage: str = "0.10"
    egress: str | None = None
    notice: int | None = None
    autostop: bool | None = None

    def facts(self) -> ProviderFacts:
        return ProviderFacts(
            name=self.name,
            billing_quantum_seconds=self.quantum,
            minimum_seconds=self.minimum,
            provision=self.provision,
            image_pull=_IMAGE_PULL,
            download_bytes_per_second=self.download,
            teardown=_TEARDOWN,
            storage_micros_per_gib_hour=_micros_per_gib(self.storage, _HOURS_PER_MONTH),
            spot_notice_seconds=self.notice,
            autostop=self.autostop,
            source=f"{self.source}; storage believed ${self.storage} per GB and month",
            startup=_STARTUP,
            egress_micros_per_gib=None if self.egress is None else _micros_per_gib(self.egress, 1),
        )


def _micros_per_gib(dollars_per_gb: str, hours: int) -> int:
    """Micro-dollars, rounded up: a price that is charged never falls short."""
    exact = Decimal(dollars_per_gb) * 10**6 * _GIB_PER_GB / hours
    return int(exact.to_integral_value(rounding=ROUND_CEILING))


# Autostop is SkyPilot's autodown, 0.14.1: none on Hyperbolic and Verda; None where it was not looked at.
_ROWS = (
    _Row(
        "aws", 1, 60, "believed: per second, 60 s at least, $0.09/GB out after 100 GB a month, 2 min spot notice",
        provision=_AWS_START, storage="0.08", egress="0.09", notice=120, autostop=True,
    ),
    _Row(
        "gcp", 1, 60, "believed: per second, 60 s at least, $0.085 to 0.12/GB out, 30 s spot notice",
        provision=_GCP_START, egress="0.12", notice=30, autostop=True,
    ),
    _Row(
        "azure", 60, 60, "believed: per second or per minute, the longer taken; about $0.087/GB out, 30 s spot notice",
        egress="0.087", notice=30, autostop=True,
    ),
    _Row(
        "runpod", 1, 1, "docs.runpod.io pricing: per second, nothing for traffic; a start needs an hour's balance",
        provision=_CONTAINER_START, egress="0", autostop=True,
    ),
    _Row("lambda", 60, 60, "lambda.ai plans, read 2026-09-20: per minute, nothing for traffic", egress="0",
         autostop=True),
    _Row("verda", 1, 1, "DataCrunch's billing, second hand: per second, storage apart; no minimum and traffic believed",
         egress="0", autostop=False),
    _Row("vast", 1, 1, "vast.ai, second hand: per second, no minimum; each host sets its price of traffic",
         provision=_CONTAINER_START, download=_SHARED_DOWNLOAD, autostop=True),
    _Row("hyperstack", 60, 60, "hyperstack.cloud pricing, read 2026-08-26: per minute; traffic believed free",
         egress="0"),
    _Row("scaleway", 60, 60, "scaleway docs-content pull request 5727: per minute"),
    _Row("nebius", 1, 1, "believed: per second, no minimum, traffic free within limits", egress="0", autostop=True),
    _Row("oci", 1, HOUR, "believed: per second, an hour at least for bare metal; 10 TB out are free", egress="0",
         autostop=True),
    _Row("digitalocean", 1, 60, "believed: per second since 2026-01-01, 60 s at least", autostop=True),
    _Row("coreweave", HOUR, HOUR, "believed: per minute or per hour, the longer taken; nothing for traffic",
         egress="0"),
    _Row("together", HOUR, HOUR, "believed: per minute or per hour, the longer taken"),
    _Row("hyperbolic", 60, 60, "believed: per minute", provision=_CONTAINER_START, download=_SHARED_DOWNLOAD,
         autostop=False),
    _Row("seeweb", HOUR, HOUR, "believed: per hour, an hour at least", autostop=True),
    _Row("jarvislabs", 60, 60, "believed: per minute", provision=_CONTAINER_START),
    _Row("akash", HOUR, HOUR, "believed: nothing found, the hour taken", provision=_CONTAINER_START,
         download=_SHARED_DOWNLOAD),
    _Row("lium", HOUR, HOUR, "believed: nothing found, the hour taken", provision=_CONTAINER_START,
         download=_SHARED_DOWNLOAD),
    _Row("crusoe", HOUR, HOUR, "believed: nothing found, the hour taken"),
    _Row("mithril", HOUR, HOUR, "believed: nothing found, the hour taken"),
)  # fmt: skip
PROVIDERS: Mapping[str, ProviderFacts] = MappingProxyType({row.name: row.facts() for row in _ROWS})


def facts_of(provider: str) -> ProviderFacts:
    """What is known of `provider`; for one that is not in the table: hourly billing, slow starts, no autostop."""
    known = PROVIDERS.get(provider)
    return known or _Row(provider, HOUR, HOUR, "believed: this provider is not known here, the hour taken").facts()


def allowances_of(facts: ProviderFacts) -> Allowances:
    """Upper bounds of the parts of an end."""
    return Allowances(DETECT_SECONDS, CHECKPOINT_SECONDS, ceil(facts.teardown.p95))
