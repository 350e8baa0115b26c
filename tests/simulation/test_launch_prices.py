"""Between a quote and the launch that follows, prices change."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from orchestrator.adapters.memory.clock import START
from orchestrator.domain import ledger
from orchestrator.domain.lifecycle import Outcome, RunStatus
from orchestrator.domain.money import ZERO, Rate
from orchestrator.domain.offers import Offer
from tests.simulation.simulating import SimulatedPrices, Simulation, cloud

FRESH, OLD = START.date(), START.date() - timedelta(days=31)


def priced(micros_per_hour: int = 8_000_000, day: date = FRESH) -> Offer:
    return replace(cloud(micros_per_hour).offer, priced_on=day)


def test_a_price_that_holds_is_launched_at_without_a_refresh() -> None:
    prices = SimulatedPrices(priced())
    simulation = Simulation(prices=prices)
    record = simulation.tick(simulation.submit(5_000_000))
    assert (record.run.status, prices.refreshes) == (RunStatus.PROVISIONING, 0)


@pytest.mark.parametrize("now", [1_000_000, 8_800_000])
def test_within_the_tolerance_the_plan_is_made_anew_at_the_price_of_now(now: int) -> None:
    prices = SimulatedPrices(priced())
    simulation = Simulation(prices=prices)
    run_id = simulation.submit(5_000_000)
    prices.offer = priced(now)
    record = simulation.tick(run_id)
    assert record.lease is not None
    assert record.lease.offer.rate == Rate(now)
    assert simulation.until_ended(run_id).run.outcome is not Outcome.FAILED


def test_beyond_the_tolerance_nothing_is_launched_and_the_user_is_asked() -> None:
    prices = SimulatedPrices(priced())
    simulation = Simulation(prices=prices)
    run_id = simulation.submit(5_000_000)
    prices.offer = priced(8_800_001)
    record = simulation.tick(run_id)
    assert (record.run.status, record.run.outcome) == (RunStatus.ENDED, Outcome.FAILED)
    assert "8.800001 dollars an hour now, and 8.00 when the run was accepted" in record.run.reason
    balance = ledger.fold(record.postings)
    assert (record.lease, balance.spent, balance.reserved) == (None, ZERO, ZERO)
    again = simulation.tick(simulation.submit(5_000_000))
    assert again.run.status is RunStatus.PROVISIONING


@pytest.mark.parametrize(("found", "status"), [(8_000_000, "provisioning"), (9_000_000, "ended")])
def test_an_old_price_is_read_again_before_it_is_launched_at(found: int, status: str) -> None:
    prices = SimulatedPrices(priced(day=OLD), newer=priced(found))
    simulation = Simulation(prices=prices)
    record = simulation.tick(simulation.submit(5_000_000))
    assert (record.run.status, prices.refreshes) == (RunStatus(status), 1)
    if record.lease is not None:
        assert record.lease.offer.priced_on == FRESH


def test_a_machine_that_is_offered_no_more_is_asked_about() -> None:
    prices = SimulatedPrices(priced())
    simulation = Simulation(prices=prices)
    run_id = simulation.submit(5_000_000)
    prices.offer = replace(priced(), region="us")
    record = simulation.tick(run_id)
    assert record.run.status is RunStatus.ENDED
    assert record.run.reason.startswith("cloud/eu/2xH200:2:on-demand is not offered any more.")


def test_a_run_that_has_begun_goes_on_at_any_price_within_its_cap() -> None:
    prices = SimulatedPrices(priced())
    simulation = Simulation(prices=prices)
    run_id = simulation.submit(5_000_000)
    simulation.tick(run_id)
    prices.offer = priced(20_000_000)
    assert simulation.until_ended(run_id).run.outcome is not Outcome.FAILED
