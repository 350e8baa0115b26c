"""SkyPilot's catalogue as it lies on a disk, with what is wrong in it."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from orchestrator.adapters.catalog.skypilot_catalog import CatalogueReading, read_catalogue
from orchestrator.domain.offers import Offer

HEADER = "InstanceType,AcceleratorName,AcceleratorCount,vCPUs,MemoryGiB,Price,Region,GpuInfo,SpotPrice"
READ = datetime(2026, 10, 3, 23, 30, tzinfo=UTC)


def seed(folder: Path, cloud: str, *rows: str, header: str = HEADER) -> Path:
    file = folder / cloud / "vms.csv"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join((header, *rows, "")))
    os.utime(file, (READ.timestamp(), READ.timestamp()))
    return file


def shown(reading: CatalogueReading) -> dict[str, int]:
    return {offer.id: offer.rate.micros_per_hour for offer in reading.offers}


def only(reading: CatalogueReading) -> Offer:
    (offer,) = reading.offers
    return offer


def test_a_row_is_an_offer_on_demand_and_one_on_spot(tmp_path: Path) -> None:
    seed(tmp_path, "nebius", "gpu_8x,H200,8.0,128,1600,28.0,eu-north1,\"{'Gpus': 1}\",11.6")
    assert shown(read_catalogue(tmp_path)) == {
        "nebius/eu-north1/gpu_8x:8:on-demand": 28_000_000,
        "nebius/eu-north1/gpu_8x:8:spot": 11_600_000,
    }


def test_the_price_was_read_when_the_file_was_written(tmp_path: Path) -> None:
    seed(tmp_path, "runpod", "1x,H200-SXM,1,12,188,4.59,US,,")
    offer = only(read_catalogue(tmp_path))
    assert offer.priced_on == date(2026, 10, 3)
    assert (offer.accelerator, offer.listed_as) == ("H200", "H200-SXM")
    assert (offer.billing_quantum_seconds, offer.price_source) == (1, "SkyPilot's catalogue, runpod")


def test_a_spot_price_that_is_no_cheaper_is_not_a_spot_market(tmp_path: Path) -> None:
    seed(tmp_path, "runpod", "1x,H200-SXM,1,12,188,4.59,US,,4.59", "2x,H200-SXM,2,12,188,9.18,US,,nan")
    assert [offer.spot for offer in read_catalogue(tmp_path).offers] == [False, False]


def test_the_price_of_an_auction_is_what_a_bid_starts_at(tmp_path: Path) -> None:
    seed(tmp_path, "mithril", "1x,H200,1,12,188,1.00,us-central2,,1.00")
    offer = only(read_catalogue(tmp_path))
    assert (offer.spot, offer.firm) == (True, False)


def test_of_several_zones_the_dearest_is_the_price_of_the_region(tmp_path: Path) -> None:
    header = HEADER.replace("Region", "Region,AvailabilityZone")
    rows = [
        f"p5en,H200,8,1,1,63.0,us-east-1,us-east-1{zone},,{spot}" for zone, spot in (("a", 20), ("b", 26), ("c", 9))
    ]
    seed(tmp_path, "aws", *rows, header=header)
    assert shown(read_catalogue(tmp_path))["aws/us-east-1/p5en:8:spot"] == 26_000_000


def test_clouds_go_by_the_name_that_the_snapshot_uses(tmp_path: Path) -> None:
    seed(tmp_path, "do", "gpu-h100x1,H100,1,20,240,6.74,tor1,,")
    assert only(read_catalogue(tmp_path)).provider == "digitalocean"


@pytest.mark.parametrize(
    "broken",
    [
        "1x,H200,1,12,188,-4.59,US,,",
        "1x,H200,1,12,188,free,US,,",
        "1x,H200,1,12,188,0,US,,",
        "1x,H200,1,12,188,99999,US,,",
        "1x,H200,1,12,188,,US,,",
        "1x,H200,none,12,188,4.59,US,,",
        ",H200,1,12,188,4.59,US,,",
        "1x,H200,1,12,188,4.59,,,",
        "1x,H200,1,12,188,4.59",
        "1x,H200,1,12,188,4.59,US,,,more,and more",
    ],
)
def test_a_broken_row_is_left_out_and_counted(tmp_path: Path, broken: str) -> None:
    seed(tmp_path, "acme", "8x,H200,8,12,188,40,US,,", broken)
    reading = read_catalogue(tmp_path)
    assert shown(reading) == {"acme/US/8x:8:on-demand": 40_000_000}
    assert (reading.skipped, reading.remarks) == (1, ("acme/vms.csv: 1 rows could not be read and are left out",))


@pytest.mark.parametrize("other", ["cpu,,,4,16,0.2,US,,", "1x,T4,1,4,16,0.4,US,,", "part,H200,0.5,4,16,2,US,,"])
def test_what_is_not_for_a_training_is_nothing_to_count(tmp_path: Path, other: str) -> None:
    seed(tmp_path, "acme", "8x,H200,8,12,188,40,US,,", other)
    reading = read_catalogue(tmp_path)
    assert (len(reading.offers), reading.skipped, reading.remarks) == (1, 0, ())


def test_without_a_catalogue_there_are_no_offers_and_a_reason(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        reading = read_catalogue(folder)
        assert reading.offers == ()
        assert "SkyPilot's catalogue is not there" in reading.remarks[0]


def test_one_broken_cloud_does_not_take_the_others_away(tmp_path: Path) -> None:
    seed(tmp_path, "acme", "8x,H200,8,12,188,40,US,,")
    seed(tmp_path, "html").write_text("<html>not found</html>")
    seed(tmp_path, "binary").write_bytes(bytes(range(256)) * 10)
    seed(tmp_path, "empty").write_text("")
    (tmp_path / "folder" / "vms.csv").mkdir(parents=True)
    seed(tmp_path, "quoted", 'x,"H200,1,1,1,1')
    reading = read_catalogue(tmp_path)
    assert [offer.provider for offer in reading.offers] == ["acme"]
    assert len(reading.remarks) >= 4


def test_letters_in_another_encoding_cost_their_row_only(tmp_path: Path) -> None:
    file = seed(tmp_path, "acme", "8x,H200,8,12,188,40,US,,", "4x,H200,4,12,188,20,Z?rich,,")
    file.write_bytes(file.read_bytes().replace(b"Z?rich", b"Z\xfcrich"))
    reading = read_catalogue(tmp_path)
    assert (len(reading.offers), reading.skipped) == (1, 1)
