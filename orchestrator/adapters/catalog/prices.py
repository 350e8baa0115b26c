"""The prices of the clouds, from every source that there is."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from threading import Lock

from orchestrator.adapters.catalog.list_forms import read_price_list
from orchestrator.adapters.catalog.origins import read_file, read_origin
from orchestrator.adapters.catalog.price_list import FIELD
from orchestrator.adapters.catalog.provider_facts import allowances_of, facts_of
from orchestrator.adapters.catalog.skypilot_catalog import CatalogueReading, catalogue_files, read_catalogue
from orchestrator.adapters.catalog.snapshot import snapshot
from orchestrator.adapters.catalog.stored import BrokenStoreError, StoredPrices, read_stored, write_stored
from orchestrator.domain.budget import Allowances
from orchestrator.domain.errors import InvalidInputError
from orchestrator.domain.offers import Offer
from orchestrator.domain.providers import ProviderFacts
from orchestrator.ports.clock import Clock
from orchestrator.ports.prices import Refreshed

PRICE_FILE, FETCHED, SKYPILOT, SNAPSHOT = "price file", "fetched", "SkyPilot's catalogue", "snapshot"
PRECEDENCE = (PRICE_FILE, FETCHED, SKYPILOT, SNAPSHOT)
"""Of offers with the same id, that of the first of these counts."""
Offers = tuple[Offer, ...]
Stamp = tuple[tuple[str, int, int] | None, ...]


@dataclass(frozen=True, slots=True)
class CatalogSources:
    """Where prices are read from: `stored` is the file of the last refresh, `price_file` the user's own, `skypilot`
    the folder of SkyPilot's catalogue, `origin` what a refresh fetches when it is not told."""

    stored: Path
    price_file: Path | None = None
    skypilot: Path | None = None
    origin: str | None = None


@dataclass(frozen=True, slots=True)
class _Book:
    """All that is known, ready to be answered with. `parts` is before the merge, `stamp` what it was read from."""

    stamp: Stamp
    parts: Mapping[str, Offers]
    remarks: tuple[str, ...]
    offers: Offers
    facts: Mapping[str, ProviderFacts]
    allowances: Mapping[str, Allowances]


class CatalogPrices:
    """Reads the sources at the first question and again when one of their files has changed. May be shared between
    threads."""

    def __init__(self, sources: CatalogSources, clock: Clock) -> None:
        self._sources = sources
        self._clock = clock
        self._lock = Lock()
        self._known: _Book | None = None

    def offers(self) -> Offers:
        return self._book().offers

    def allowances(self) -> Mapping[str, Allowances]:
        return self._book().allowances

    def facts(self) -> Mapping[str, ProviderFacts]:
        return self._book().facts

    def remarks(self) -> tuple[str, ...]:
        return self._book().remarks

    def refresh(self, origin: str | None = None) -> Refreshed:
        today = self._today()
        wanted = origin or self._sources.origin
        stored, remarks = self._stored()
        parts: dict[str, Offers] = {}
        if wanted is not None:
            parts[FETCHED] = read_origin(wanted, today)
        elif stored is not None and FETCHED in stored.parts:
            parts[FETCHED], wanted = stored.parts[FETCHED], stored.origin
        if self._sources.price_file is not None:
            parts[PRICE_FILE] = _read_price_file(self._sources.price_file, today)
        reading = self._catalogue()
        if reading.broken:
            raise InvalidInputError.of(FIELD, f"SkyPilot's catalogue: {'; '.join(reading.remarks)}")
        parts[SKYPILOT] = reading.offers
        write_stored(self._sources.stored, StoredPrices(self._clock.now(), parts, wanted))
        merged = _merged({**parts, SNAPSHOT: snapshot()})
        counted = Counter(source for source, _ in merged)
        return Refreshed(len(merged), {name: counted[name] for name in PRECEDENCE}, (*remarks, *reading.remarks))

    def _book(self) -> _Book:
        stamp = self._stamp()
        known = self._known
        if known is None or known.stamp != stamp:
            with self._lock:
                known = self._known
                if known is None or known.stamp != stamp:
                    known = self._known = self._read(stamp, known)
        return known

    def _stamp(self) -> Stamp:
        """What tells that a file is another one than before."""
        files = (self._sources.stored, self._sources.price_file, *self._catalogue_files())
        return tuple(None if file is None else _stamp_of(file) for file in files)

    def _read(self, stamp: Stamp, before: _Book | None) -> _Book:
        stored, remarks = self._stored()
        last = before.parts if before is not None else {} if stored is None else stored.parts
        parts: dict[str, Offers] = {SNAPSHOT: snapshot()}
        if stored is not None:
            parts[FETCHED] = stored.parts.get(FETCHED, ())
        if self._sources.price_file is not None:
            try:
                parts[PRICE_FILE] = _read_price_file(self._sources.price_file, self._today())
            except InvalidInputError as error:
                parts[PRICE_FILE] = last.get(PRICE_FILE, ())
                remarks.append(f"the price file is not used, but what it said before: {error}")
        reading = self._catalogue()
        kept = (offer for offer in last.get(SKYPILOT, ()) if offer.provider in reading.broken)
        parts[SKYPILOT] = (*reading.offers, *kept)
        return _book(stamp, parts, (*remarks, *reading.remarks))

    def _stored(self) -> tuple[StoredPrices | None, list[str]]:
        try:
            return read_stored(self._sources.stored), []
        except BrokenStoreError as error:
            return None, [f"the stored prices cannot be read and are left out: {error}"]

    def _catalogue(self) -> CatalogueReading:
        folder = self._sources.skypilot
        return CatalogueReading((), 0, ()) if folder is None else read_catalogue(folder)

    def _catalogue_files(self) -> Sequence[Path]:
        return () if self._sources.skypilot is None else catalogue_files(self._sources.skypilot)

    def _today(self) -> date:
        return self._clock.now().date()


def _read_price_file(path: Path, today: date) -> Offers:
    file = read_file(path.expanduser())
    return read_price_list(file.name, file.content, file.written_on, today, file.origin)


def _stamp_of(file: Path) -> tuple[str, int, int] | None:
    try:
        stat = os.stat(file)  # noqa: PTH116 - asked for every quote, and half the price of Path.stat
    except (OSError, ValueError):
        return None
    return str(file), stat.st_mtime_ns, stat.st_size


def _merged(parts: Mapping[str, Offers]) -> list[tuple[str, Offer]]:
    """(source, offer) of every id, from the first source that has it."""
    found: dict[str, tuple[str, Offer]] = {}
    for source in PRECEDENCE:
        for offer in parts.get(source, ()):
            found.setdefault(offer.id, (source, offer))
    return list(found.values())


def _book(stamp: Stamp, parts: Mapping[str, Offers], remarks: tuple[str, ...]) -> _Book:
    offers = tuple(offer for _, offer in _merged(parts))
    facts = {name: facts_of(name) for name in sorted({offer.provider for offer in offers})}
    return _Book(
        stamp=stamp,
        parts=parts,
        remarks=remarks,
        offers=offers,
        facts=facts,
        allowances={name: allowances_of(each) for name, each in facts.items()},
    )
