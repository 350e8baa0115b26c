"""Every way to rent on a market, prepared for one request: what does not depend on money is reckoned once.

A cell is an accelerator and a count of devices: all of its ways to rent do the same work in the same time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from operator import le
from typing import NamedTuple

from orchestrator.domain.allotment import Demand
from orchestrator.domain.budget import Allowances
from orchestrator.domain.money import Rate
from orchestrator.domain.offer_book import Kind, OfferBook
from orchestrator.domain.offers import Offer
from orchestrator.domain.overheads import Overheads, Sizes, overheads_of
from orchestrator.domain.planning import Planning, least_seconds
from orchestrator.domain.providers import ProviderFacts, unlisted
from orchestrator.domain.work import StageRequest, Workload, Workloads

GIB = 1 << 30
SYSTEM_DISK_GIB = 100
"""The trainer's image and its caches, beside the model, its checkpoints and its result."""


UNLISTED_ALLOWANCES = Allowances(90, 120, 180)
"""For arithmetic that never funds anything: what is funded has a provider that is listed."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a machine of one provider takes beside training, and what its disk costs (micro-dollars an hour). `waits`
    are all the seconds of which more make a plan worse."""

    overheads: Overheads
    allowances: Allowances
    storage: int
    waits: tuple[int, ...]


class Way(NamedTuple):
    """The cheapest of so many `offers` that are alike. `least` seconds train at all and cost `least_micros`; `outdone`
    says that another way is never worse, whatever the money."""

    kind: Kind
    offer: Offer
    offers: int
    least: int
    least_micros: int
    outdone: bool


class Cell:
    """The ways to rent so many devices of one accelerator, for the same `work`."""

    def __init__(self, ways: Ways, groups: Sequence[tuple[Kind, tuple[Offer, ...]]], work: Workload) -> None:
        self.work = work
        self._ways = ways
        self._demands: dict[tuple[int, int], Demand] = {}
        self._plannings: dict[Kind, Planning] = {}
        self.ways: tuple[Way, ...] = () if work.misfit else self._prepared(groups)

    def planning(self, way: Way) -> Planning:
        """The run on that offer, its disk in the price."""
        known = self._plannings.get(way.kind)
        if known is None:
            terms = self._ways.terms(way.kind.provider)
            known = self._plannings[way.kind] = Planning(
                self._ways.stages,
                self.work,
                with_storage(way.offer, terms.storage),
                terms.overheads,
                terms.allowances,
                self._ways.heldout_rows,
                self._demand(terms.overheads),
            )
        return known

    def _prepared(self, groups: Sequence[tuple[Kind, tuple[Offer, ...]]]) -> tuple[Way, ...]:
        """The cheapest first, so that what outdoes another stands before it."""
        priced = [(offers[0].rate.micros_per_hour + self._ways.terms(kind.provider).storage, kind, offers)
                  for kind, offers in groups]  # fmt: skip
        priced.sort(key=lambda each: (each[0], each[2][0].id))
        undone: list[tuple[int, Kind, tuple[int, ...]]] = []
        return tuple(self._way(micros, kind, offers, undone) for micros, kind, offers in priced)

    def _way(
        self, micros: int, kind: Kind, offers: tuple[Offer, ...], undone: list[tuple[int, Kind, tuple[int, ...]]]
    ) -> Way:
        terms, offer = self._ways.terms(kind.provider), offers[0]
        waits = terms.waits
        least = least_seconds(self._demand(terms.overheads), terms.overheads, terms.allowances, kind.spot)
        outdone = any(_outdoes(*other[1:], kind, waits) for other in undone)
        if offer.firm and not outdone:
            undone.append((micros, kind, waits))
        cost = Rate(micros).cost_ceil(offer.billed_seconds(least)).micros
        return Way(kind, offer, len(offers), least, cost, outdone)

    def _demand(self, overheads: Overheads) -> Demand:
        key = overheads.startup, overheads.merge_share
        known = self._demands.get(key)
        if known is None:
            known = self._demands[key] = Demand(self._ways.stages, self.work, overheads)
        return known


class Ways:
    """The cells of a book, each prepared when it is asked for."""

    def __init__(
        self,
        stages: tuple[StageRequest, ...],
        workloads: Workloads,
        book: OfferBook,
        providers: Mapping[str, tuple[ProviderFacts, Allowances]],
        sizes: Sizes,
        heldout_rows: int,
    ) -> None:
        self.stages = stages
        self.heldout_rows = heldout_rows
        self.workloads = workloads
        self._book = book
        self._providers = providers
        self._sizes = sizes
        self._terms: dict[str, Terms] = {}
        self._cells: dict[tuple[str, int], Cell] = {}

    def cell(self, accelerator: str, devices: int) -> Cell:
        """Those of that accelerator and count; the book has some."""
        key = accelerator, devices
        known = self._cells.get(key)
        if known is None:
            known = self._cells[key] = Cell(self, self._book.cells[key], self.workloads.on(*key))
        return known

    def terms(self, provider: str) -> Terms:
        """The provider's, for the request's sizes."""
        known = self._terms.get(provider)
        if known is None:
            facts, base = self._providers.get(provider) or (unlisted(provider), UNLISTED_ALLOWANCES)
            overheads = overheads_of(facts, self._sizes)
            storage = facts.storage_micros_per_gib_hour * disk_gib(self._sizes)
            known = self._terms[provider] = _terms(overheads, allowances_of(base, overheads), storage)
        return known


def _terms(overheads: Overheads, allowances: Allowances, storage: int) -> Terms:
    upload = ceil(overheads.wait("upload").p50)
    waits = (
        overheads.provision + overheads.upload + allowances.total,
        overheads.provision + upload + allowances.teardown,
        *(overheads.provision, overheads.startup, overheads.merge),
    )
    return Terms(overheads, allowances, storage, waits)


def _outdoes(kind: Kind, waits: tuple[int, ...], other: Kind, others: tuple[int, ...]) -> bool:
    """Whether a way that costs no more an hour is never worse than `other`: it waits no longer, and what is billed for
    the same seconds is no more."""
    return (
        kind.spot is other.spot
        and other.quantum % kind.quantum == 0
        and kind.minimum <= other.minimum
        and all(map(le, waits, others))
    )


def allowances_of(base: Allowances, overheads: Overheads) -> Allowances:
    """The upper bounds of an end for a model whose checkpoints take longer to write than a small one's."""
    return replace(base, checkpoint=base.checkpoint + overheads.saving)


def with_storage(offer: Offer, micros_per_hour: int) -> Offer:
    """The machine with its disk: what is billed by the hour is one rate, whoever reckons with it."""
    if not micros_per_hour:
        return offer
    rate = Rate(offer.rate.micros_per_hour + micros_per_hour)
    return replace(offer, rate=rate, storage_micros_per_hour=micros_per_hour)


def disk_gib(sizes: Sizes) -> int:
    """GiB that a run needs on its machine's disk: the system, the model, two checkpoints and the one being written, the
    result."""
    return SYSTEM_DISK_GIB + -(-(sizes.model + 3 * sizes.checkpoint + sizes.result) // GIB)
