"""The price of this machine: what its owner says an hour of one device is worth."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from functools import cached_property

from orchestrator.domain.accelerators import accelerator_of
from orchestrator.domain.budget import Allowances
from orchestrator.domain.cost.gpus import GPUS
from orchestrator.domain.money import Rate
from orchestrator.domain.offers import LOCAL_PROVIDER, Offer
from orchestrator.domain.providers import ProviderFacts, Spread
from orchestrator.ports.clock import Clock

NO_GPU = "CPU"
UNNAMED_GPU = "GPU"
QUERY = ("nvidia-smi", "--query-gpu=name", "--format=csv,noheader")
QUERY_SECONDS = 20.0


class LocalPrices:
    """Offers this machine by the second: without a GPU as one CPU, otherwise with 1 up to all of its GPUs.

    `micros_per_device_hour` is the price of one device in micro-dollars. `gpus` overrules what the driver shows; 0
    offers the CPU. The driver is asked once, at the first question.
    """

    def __init__(
        self,
        micros_per_device_hour: int,
        allowances: Allowances,
        startup_seconds: int,
        clock: Clock,
        gpus: int | None = None,
    ) -> None:
        self._rate = Rate(micros_per_device_hour)
        self._allowances = allowances
        self._facts = _facts(startup_seconds, allowances)
        self._clock = clock
        self._gpus = gpus

    def offers(self) -> tuple[Offer, ...]:
        accelerator, most = self._accelerators
        return tuple(self._offer(accelerator, count) for count in range(1, most + 1))

    def facts(self) -> Mapping[str, ProviderFacts]:
        return {LOCAL_PROVIDER: self._facts}

    def allowances(self) -> Mapping[str, Allowances]:
        return {LOCAL_PROVIDER: self._allowances}

    @cached_property
    def _accelerators(self) -> tuple[str, int]:
        """The name of the accelerator and how many there are."""
        if self._gpus == 0:
            return NO_GPU, 1
        names = _gpu_names()
        if self._gpus is not None:
            return (names[0] if names else UNNAMED_GPU), self._gpus
        # On a mixed machine only those like the first are offered: a price and a speed hold for one kind.
        return (names[0], names.count(names[0])) if names else (NO_GPU, 1)

    def _offer(self, accelerator: str, count: int) -> Offer:
        return Offer(
            provider=LOCAL_PROVIDER,
            region="here",
            instance_type="this-machine",
            accelerator=accelerator,
            accelerator_count=count,
            spot=False,
            rate=Rate(self._rate.micros_per_hour * count),
            billing_quantum_seconds=1,
            minimum_seconds=1,
            priced_on=self._clock.now().date(),
            price_source="setting, dollars per device-hour",
            capacity=1,
        )


def _facts(startup_seconds: int, allowances: Allowances) -> ProviderFacts:
    """This machine: there at once, with the trainer on it."""
    setting = "setting, LATTICEFORGE_LOCAL_STARTUP_SECONDS"
    return ProviderFacts(
        name=LOCAL_PROVIDER,
        billing_quantum_seconds=1,
        minimum_seconds=1,
        provision=Spread(1.0, 2.0, "a process is started"),
        image_pull=Spread(0.0, 0.0, "the trainer is installed"),
        download_bytes_per_second=Spread(100e6, 20e6, "believed: a fast and a slow line to the model hub"),
        teardown=Spread(1.0, float(allowances.teardown), "processes are ended"),
        storage_micros_per_gib_hour=0,
        spot_notice_seconds=None,
        autostop=True,
        source="this machine",
        startup=Spread(float(startup_seconds), 2.0 * startup_seconds, setting),
    )


def _gpu_names() -> list[str]:
    try:
        shown = subprocess.run(QUERY, capture_output=True, text=True, timeout=QUERY_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError):
        return []  # no driver, no GPU that could be used
    return [accelerator_name(line) for line in shown.stdout.splitlines() if line.strip()]


def accelerator_name(product: str) -> str:
    """The short name that prices and speeds go by: `NVIDIA A100-SXM4-80GB` is `A100-80GB`, `NVIDIA H200` is `H200`."""
    words = [word for word in product.replace("-", " ").split() if word not in {"NVIDIA", "GeForce"}]
    if not words:
        return UNNAMED_GPU
    if words[0] in GPUS and "80GB" not in words:
        return words[0]
    # One word tells too little: an RTX may be any of fifty.
    known = accelerator_of(" ".join(words))
    return known or (words[0] if words[0] in GPUS else "".join(word for word in words if not word.endswith("GB")))
