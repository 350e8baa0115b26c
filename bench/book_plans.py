"""What the planner would do with the study book's $50, beside what the book's own machines and hours would train.

    python -m bench.book_plans [--model meta-llama/Llama-3.1-8B] [--row-tokens 400]

Both sides are predictions of the same cost model for the same rows, more of them than the money can read. The book's
side is its own count of H200s for its own hours at its own price; the planner's is the best plan over every offer that
is known, on demand, for the whole budget. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

from bench.study_book import ACCELERATOR, BUDGET, OPTIONS, Compared, Option, Spending, render
from orchestrator.adapters.axolotl.trainer import AxolotlTrainer
from orchestrator.bootstrap import open_ports
from orchestrator.domain.budget import Allowances
from orchestrator.domain.cost.fitted import FITTED
from orchestrator.domain.cost.setup import Sharding
from orchestrator.domain.errors import UnaffordableError
from orchestrator.domain.funding import plan_request
from orchestrator.domain.money import SECONDS_PER_HOUR, Money
from orchestrator.domain.offer_book import OfferBook
from orchestrator.domain.offers import Offer
from orchestrator.domain.planner import Market, Search, search
from orchestrator.domain.run import MachineWishes, RunSpec
from orchestrator.services.draft import RunDraft, SpecifyRun
from orchestrator.services.markets import Markets
from orchestrator.services.told_rows import ToldTokens
from orchestrator.settings import Settings

EPOCH = 2_000_000_000
"""Tokens of one pass: more than $50 reads, so that the money decides."""


def compared(option: Option, spec: RunSpec, clouds: Market, now: datetime) -> Compared:
    """The option's two sides."""
    book = _search(option, spec, _own_market(option, clouds), option.cost, now, round(option.hours * SECONDS_PER_HOUR))
    plan = _search(option, spec, clouds, BUDGET, now, None)
    return Compared(
        None if isinstance(book, str) else _spending(book), plan if isinstance(plan, str) else _spending(plan)
    )


def _search(
    option: Option, spec: RunSpec, market: Market, money: Money, now: datetime, seconds: int | None
) -> Search | str:
    request = plan_request(spec, (), money, seconds)
    if seconds is not None:
        request = replace(request, gpus=option.gpus)
    try:
        return search(request, market, now)
    except UnaffordableError as error:
        return f"{error}: {error.refusals[0] if error.refusals else ''}"


def _own_market(option: Option, clouds: Market) -> Market:
    """The book's machine, as one offer of a provider like the others: a minute of set-up is not free there either."""
    like = next(offer for offer in clouds.offers if offer.accelerator == ACCELERATOR)
    offer = Offer(
        provider=like.provider,
        region="the book",
        instance_type=f"{option.gpus} x {ACCELERATOR}",
        accelerator=ACCELERATOR,
        accelerator_count=option.gpus,
        spot=False,
        rate=option.rate,
        billing_quantum_seconds=1,
        minimum_seconds=1,
        priced_on=date(2026, 1, 1),
        price_source="the study book",
    )
    facts = replace(clouds.providers[like.provider], storage_micros_per_gib_hour=0)
    return Market(
        OfferBook((offer,)), {like.provider: facts}, {like.provider: Allowances(0, 0, 0)}, FITTED, clouds.shardings
    )


def _spending(found: Search) -> Spending:
    plan = found.plan
    offer, stage = plan.offer, next(stage for stage in plan.stages if stage.layout is not None)
    assert stage.layout is not None, "the generator chose one"
    cut = "all of the money's time is used" if plan.limit else "everything is trained on"
    layout = stage.layout
    why = (
        f"{cut}; {layout.micro_batch} rows a micro-step on each of {layout.devices}, checkpointing "
        f"{layout.checkpointing.value}, {stage.seconds_per_step:.3f} s a step ({stage.speed_source})."
    )
    market = "spot" if offer.spot else "on demand"
    return Spending(
        offer=f"{offer.accelerator_count} x {offer.accelerator} ({offer.provider}, {market}, "
        f"${offer.rate.micros_per_hour / 1e6:.2f}/h with its disk)",
        gpus=offer.accelerator_count,
        hours=plan.seconds.p50 / SECONDS_PER_HOUR,
        tokens=plan.planned_tokens,
        cost=Money(plan.cost.p50),
        reserved=Money(plan.cost.worst),
        why=why,
    )


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="meta-llama/Llama-3.1-8B")
    parser.add_argument("--row-tokens", default="400")
    parser.add_argument("--accelerator", action="append", help="only these; default: any")
    options = parser.parse_args(words)
    with tempfile.TemporaryDirectory() as home:
        ports = open_ports(Settings(home=Path(home)))
        specify = SpecifyRun(ports.inputs, AxolotlTrainer("cuda"))
        # On demand, as the book rents; one GPU or several, whole weights on each, as this trainer is launched.
        clouds = Markets(ports.clouds, lambda: FITTED, (Sharding.NONE,)).market()
        plans = {}
        for option in OPTIONS:
            draft = RunDraft(strategy=option.strategy, budget="50", model=options.model, seed=1)
            spec, _ = specify.execute(draft, ToldTokens.parse(EPOCH, options.row_tokens))
            wishes = MachineWishes(tuple(options.accelerator or ()), spot=False)
            plans[option.number] = compared(option, replace(spec, machine=wishes), clouds, ports.clock.now())
    print(render(OPTIONS, plans))
    return 0


if __name__ == "__main__":
    sys.exit(main())
