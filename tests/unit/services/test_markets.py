"""Several places to rent from, seen as one, and whether a quoted price still holds."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from orchestrator.adapters.catalog.prices import CatalogPrices, CatalogSources
from orchestrator.adapters.local.prices import LocalPrices
from orchestrator.adapters.memory.clock import START, ManualClock
from orchestrator.domain.budget import Allowances
from orchestrator.domain.money import Rate
from orchestrator.domain.offers import Offer
from orchestrator.domain.staleness import PriceChange
from orchestrator.services.check_price import CheckPrice
from orchestrator.services.markets import JoinedPrices

HEADER = "provider,region,instance_type,accelerator,count,price_per_hour,priced_on"


class Site:
    """This machine and a user's price file, on one clock."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.clock = ManualClock()
        self.list("4.00")
        self.clouds = CatalogPrices(
            CatalogSources(home / "current.json", home / "own.csv", origin=str(home / "fetched.csv")), self.clock
        )
        self.here = LocalPrices(4_000_000, Allowances(2, 8, 3), 15, self.clock, gpus=2)
        self.joined = JoinedPrices([self.here, self.clouds])
        self.check = CheckPrice(self.joined, self.clouds, self.clock, most_days=30, tolerance_percent=10)

    def list(self, price: str, file: str = "own.csv", machine: str = "box") -> None:
        day = self.clock.now().date()
        (self.home / file).write_text(f"{HEADER}\nacme,eu,{machine},H200,1,{price},{day}\n")

    def offer(self) -> Offer:
        return next(offer for offer in self.joined.offers() if offer.provider == "acme")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_all_parts_are_on_offer_in_their_order(site: Site) -> None:
    assert site.joined.offers() == (*site.here.offers(), *site.clouds.offers())
    assert site.joined.facts().keys() == {"local", *site.clouds.facts()}


def test_the_same_tuple_is_answered_while_nothing_changes(site: Site) -> None:
    first = site.joined.offers()
    assert site.joined.offers() is first
    site.list("5.00")
    assert site.joined.offers() is not first


def test_of_the_same_offer_in_two_parts_the_earlier_counts(site: Site) -> None:
    dearer = LocalPrices(9_000_000, Allowances(9, 9, 9), 9, site.clock, gpus=2)
    joined = JoinedPrices([site.here, dearer])
    assert joined.offers() == site.here.offers()


def test_a_fresh_price_that_has_not_moved_holds_without_a_refresh(site: Site) -> None:
    checked = site.check.execute(site.offer())
    assert (checked.change, checked.is_old, checked.why) == (PriceChange.SAME, False, None)
    assert not (site.home / "current.json").exists()


@pytest.mark.parametrize(
    ("price", "change"), [("4.40", PriceChange.WITHIN), ("4.41", PriceChange.BEYOND), ("1.00", PriceChange.WITHIN)]
)
def test_a_moved_price_is_judged_by_the_tolerance(site: Site, price: str, change: PriceChange) -> None:
    quoted = site.offer()
    site.list(price)
    checked = site.check.execute(quoted)
    assert checked.change is change
    assert checked.now is not None
    assert checked.now.rate == Rate(round(float(price) * 1_000_000))


def test_an_old_price_is_read_anew_before_it_is_judged(site: Site) -> None:
    quoted = site.offer()
    site.clock.advance(timedelta(days=31).total_seconds())
    site.list("7.00", "fetched.csv", "other")
    checked = site.check.execute(quoted)
    assert (checked.change, checked.is_old, checked.why) == (PriceChange.SAME, True, None)
    assert (site.home / "current.json").exists()
    assert "acme/eu/other:1:on-demand" in {offer.id for offer in site.joined.offers()}


def test_a_refresh_that_fails_is_told_and_changes_nothing(site: Site) -> None:
    quoted = site.offer()
    site.clock.advance(timedelta(days=31).total_seconds())
    checked = site.check.execute(quoted)
    assert checked.now == quoted
    assert checked.is_old
    assert checked.why is not None
    assert "there is no file" in checked.why


def test_an_offer_that_is_gone_is_gone_after_a_refresh_too(site: Site) -> None:
    site.list("7.00", "fetched.csv", "other")
    checked = site.check.execute(replace(site.offer(), region="mars"))
    assert (checked.now, checked.change, checked.is_old) == (None, None, True)
    assert site.clock.now() == START
