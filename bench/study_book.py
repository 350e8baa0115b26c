"""The study book's three ways to spend $50, beside what the planner would do with the same money.

The book's numbers are its own words, kept as data. What they would buy, and what the planner chooses instead, is
computed by whoever calls `render`: nothing here predicts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestrator.domain.money import SECONDS_PER_HOUR, Money, Rate

BUDGET = Money(50_000_000)
ACCELERATOR = "H200"


@dataclass(frozen=True, slots=True)
class Part:
    """A training of an option: a strategy of the catalogue, and its hours on all of the option's GPUs together."""

    strategy: str
    hours: float


@dataclass(frozen=True, slots=True)
class Option:
    """One of the book's ways: `parts` one after another on `gpus` H200s for `rate` an hour, all of them together.

    `strategy` is the catalogue's key for the whole; `claim` is what the book expects of it.
    """

    number: int
    title: str
    strategy: str
    parts: tuple[Part, ...]
    gpus: int
    rate: Rate
    cost: Money
    claim: str

    @property
    def hours(self) -> float:
        return sum(part.hours for part in self.parts)

    @property
    def gpu_hours(self) -> float:
        return self.hours * self.gpus

    @property
    def adds_up(self) -> bool:
        """Whether the book's hours at the book's price are the book's cost."""
        return self.rate.cost_ceil(round(self.hours * SECONDS_PER_HOUR)) == self.cost


OPTIONS: tuple[Option, ...] = (
    Option(
        1,
        "DoRA + NEFTune",
        "dora_neftune",
        (Part("dora_neftune", 6),),
        2,
        Rate(8_000_000),
        Money(48_000_000),
        "a good adapter that is easy to merge",
    ),
    Option(
        2,
        "GaLore",
        "galore",
        (Part("galore", 10),),
        1,
        Rate(4_000_000),
        Money(40_000_000),
        "full-rank quality for mathematics and reasoning",
    ),
    Option(
        3,
        "Split: DoRA + NEFTune, then ORPO",
        "split",
        (Part("dora_neftune", 3), Part("orpo", 3)),
        2,
        Rate(8_000_000),
        Money(48_000_000),
        "a base first, alignment after",
    ),
)


@dataclass(frozen=True, slots=True)
class Spending:
    """What a sum of money buys on one machine.

    `offer` names it with where and how it is rented; `hours` is the whole lease at p50, `tokens` what is trained in it,
    `cost` its bill at p50 and `reserved` the worst case; `why` says in a sentence what decided.
    """

    offer: str
    gpus: int
    hours: float
    tokens: int
    cost: Money
    reserved: Money
    why: str = ""


@dataclass(frozen=True, slots=True)
class Compared:
    """One option's two sides. `book` is what its own machine, hours and price would train by our prediction (None
    where that is not predicted), `plan` the planner's choice for the same strategy and budget, or why it has none."""

    book: Spending | None
    plan: Spending | str


HEAD = ("the book's option", "the book spends", "that would train", "the planner, with the same {}", "it trains",
        "of the book's")  # fmt: skip


def render(options: Sequence[Option], plans: Mapping[int, Compared]) -> str:
    """A table in Markdown with a line for each option, and below it what decided each plan.

    `plans` is by the option's number; KeyError names one that has none.
    """
    head = [_row([cell.format(_dollars(BUDGET)) for cell in HEAD]), "|---" * len(HEAD) + "|"]
    lines = [_line(option, plans[option.number]) for option in options]
    reasons = [f"- Option {option.number}: {_reason(plans[option.number].plan)}" for option in options]
    return "\n".join([*head, *lines, "", *reasons]) + "\n"


def _line(option: Option, compared: Compared) -> str:
    book, plan = compared.book, compared.plan
    an_hour = _dollars(Money(option.rate.micros_per_hour))
    spent = f"{_dollars(option.cost)}: {option.hours:g} h of {option.gpus} x {ACCELERATOR} at {an_hour}/h"
    cells = [f"{option.number}. {option.title}", spent, "not predicted" if book is None else _tokens(book.tokens)]
    if isinstance(plan, str):
        cells += ["none", "", ""]
    else:
        cells += [
            f"{_dollars(plan.cost)} (at most {_dollars(plan.reserved)}): {plan.hours:.1f} h on {plan.offer}",
            _tokens(plan.tokens),
            f"{plan.tokens / book.tokens:.2f}" if book is not None and book.tokens else "",
        ]
    return _row(cells)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def _reason(plan: Spending | str) -> str:
    return f"no plan: {plan}" if isinstance(plan, str) else plan.why or "nothing was said."


def _tokens(tokens: int) -> str:
    return f"{tokens / 1e6:.1f} M tokens"


def _dollars(money: Money) -> str:
    """In cents, rounded up: no bill looks smaller than it is."""
    whole, cents = divmod(-(-money.micros // 10_000), 100)
    return f"${whole}.{cents:02d}" if cents else f"${whole}"
