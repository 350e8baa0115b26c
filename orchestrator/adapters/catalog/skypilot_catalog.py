"""SkyPilot's catalogue: one CSV file for each cloud, prices for the whole machine and hour.

Columns as in its catalogue v8: InstanceType, AcceleratorName, AcceleratorCount, Price, SpotPrice, Region. The files
are another project's and some 20,000 rows long: a row that cannot be read is left out and counted, never fatal.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from types import MappingProxyType

from orchestrator.adapters.catalog import cells
from orchestrator.adapters.catalog.provider_facts import facts_of
from orchestrator.domain.accelerators import accelerator_of
from orchestrator.domain.money import Rate
from orchestrator.domain.offers import Offer

FILE = "vms.csv"
COLUMNS = frozenset({"InstanceType", "AcceleratorName", "AcceleratorCount", "Price", "SpotPrice", "Region"})
MOST_FILE_BYTES = 64 * 1024 * 1024
_OUR_NAMES: Mapping[str, str] = MappingProxyType({"do": "digitalocean", "datacrunch": "verda"})
AUCTIONS = frozenset({"mithril"})
"""Machines are bid for there: the listed price is what a bid starts at, and a higher one takes the machine away."""
_NO_PRICE = frozenset({"", "nan"})


@dataclass(frozen=True, slots=True)
class CatalogueReading:
    """What a catalogue gave: its offers, how many rows were left out, remarks for whoever wonders, and the clouds
    whose files gave nothing because they are broken."""

    offers: tuple[Offer, ...]
    skipped: int
    remarks: tuple[str, ...]
    broken: tuple[str, ...] = ()


def catalogue_files(folder: Path) -> list[Path]:
    """The files of the clouds, in the order of their names; none where there is no catalogue."""
    try:
        return sorted(folder.glob(f"*/{FILE}"))
    except OSError:
        return []


def read_catalogue(folder: Path) -> CatalogueReading:
    """All clouds of the catalogue in `folder`. Raises nothing: what is missing or broken is a remark."""
    files = catalogue_files(folder)
    if not files:
        return CatalogueReading((), 0, (f"SkyPilot's catalogue is not there: no {FILE} under {folder}",))
    readings = [_read_file(file) for file in files]
    return CatalogueReading(
        tuple(offer for reading in readings for offer in reading.offers),
        sum(reading.skipped for reading in readings),
        tuple(remark for reading in readings for remark in reading.remarks),
        tuple(cloud for reading in readings for cloud in reading.broken),
    )


def _read_file(file: Path) -> CatalogueReading:
    cloud = file.parent.name
    try:
        stat = file.stat()
        if stat.st_size > MOST_FILE_BYTES:
            return _left_out(cloud, f"is larger than {MOST_FILE_BYTES >> 20} MiB")
        text = file.read_bytes().decode("utf-8-sig", errors="replace")
    except OSError as error:
        return _left_out(cloud, f"cannot be read: {error.strerror}")
    return read_cloud(cloud, text, datetime.fromtimestamp(stat.st_mtime, UTC).date())


def _left_out(cloud: str, why: str) -> CatalogueReading:
    return CatalogueReading((), 0, (f"{cloud}/{FILE} {why}",), (_our_name(cloud),))


def _our_name(cloud: str) -> str:
    return _OUR_NAMES.get(cloud.lower(), cloud.lower())


def is_catalogue(text: str) -> bool:
    """Whether the header is that of a cloud's file."""
    try:
        return set(next(csv.reader(io.StringIO(text[:4096])), ())) >= COLUMNS
    except csv.Error:
        return False


def read_cloud(cloud: str, text: str, read_on: date) -> CatalogueReading:
    """The offers of one cloud's file, each on demand, spot, or both; rows without an accelerator known here are not
    ours and not counted."""
    where = f"{cloud}/{FILE}"
    if not is_catalogue(text):
        return _left_out(cloud, "lacks columns of a catalogue")
    cloud = _our_name(cloud)
    found: dict[str, Offer] = {}
    skipped = 0
    try:
        for row in csv.DictReader(io.StringIO(text, newline="")):
            offers = _offers(cloud, row, read_on) if accelerator_of(row["AcceleratorName"] or "") else []
            skipped += offers is None
            for offer in offers or ():
                # Zones differ in price and a machine may come from any: the dearest is the price of the region.
                before = found.get(offer.id)
                found[offer.id] = offer if before is None or offer.rate > before.rate else before
    except csv.Error as error:
        return CatalogueReading(tuple(found.values()), skipped + 1, (f"{where} ends in what is not CSV: {error}",))
    remarks = (f"{where}: {skipped} rows could not be read and are left out",) if skipped else ()
    return CatalogueReading(tuple(found.values()), skipped, remarks)


def _offers(cloud: str, row: Mapping[str, str | None], read_on: date) -> list[Offer] | None:
    """The offers of one row, none for a share of an accelerator; None when it cannot be read."""
    texts = {name: (row[name] or "").strip() for name in COLUMNS}
    if None in row or None in row.values() or _is_share(texts["AcceleratorCount"]):
        return None if None in row or None in row.values() else []
    try:
        provider, number = cells.provider(cloud), cells.count(texts["AcceleratorCount"])
        # A cloud whose accelerators are priced without their host lists no instance type: not a price to rent at.
        region, instance = cells.label(texts["Region"]), cells.label(texts["InstanceType"])
        rates = list(_rates(provider, texts, number))
    except cells.CellError:
        return None
    facts = facts_of(provider)
    return [
        Offer(
            provider=provider,
            region=region,
            instance_type=instance,
            accelerator=cells.accelerator(texts["AcceleratorName"]),
            accelerator_count=number,
            spot=spot,
            rate=rate,
            billing_quantum_seconds=facts.billing_quantum_seconds,
            minimum_seconds=facts.minimum_seconds,
            priced_on=read_on,
            price_source=f"SkyPilot's catalogue, {provider}",
            firm=provider not in AUCTIONS,
            listed_as=texts["AcceleratorName"],
        )
        for spot, rate in rates
    ] or None


def _is_share(count: str) -> bool:
    """A part of an accelerator, such as 0.5: nothing that a training is planned on."""
    return count.startswith("0.") and count.strip("0.") != ""


def _rates(provider: str, texts: Mapping[str, str], count: int) -> Iterator[tuple[bool, Rate]]:
    """(spot, rate) for each market that has a price. Spot that is no cheaper than on demand is no market of its own:
    nobody takes the risk for nothing, and such a cloud repeats its price in that column."""
    demand, spot = (
        None if texts[name].lower() in _NO_PRICE else cells.price(texts[name], count) for name in ("Price", "SpotPrice")
    )
    if provider in AUCTIONS:
        floor = spot or demand
        if floor is not None:
            yield True, floor
        return
    if demand is not None:
        yield False, demand
    if spot is not None and (demand is None or spot < demand):
        yield True, spot
