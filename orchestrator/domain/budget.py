"""The decision about money: how long a lease may live, and when it must be stopped. Pure, and small on purpose.

A lease is funded by reserving its worst case. Three upper bounds, the `Allowances`, say how long an end takes; they
are kept free at the end of the window, so that whoever acts at the deadlines (node, guard, provider) acts in time.

    opens ......... training ......... soft | checkpoint | hard | detect + teardown | gone_by   (all of it is reserved)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from orchestrator.domain.money import ZERO, Money
from orchestrator.domain.offers import Offer

MAX_WINDOW_SECONDS = 366 * 24 * 3600
"""No lease is funded for longer, however much money there is: nobody's training takes a year."""


class Limit(StrEnum):
    """What bounds a window."""

    BUDGET = "budget"
    MAX_HOURS = "max_hours"


@dataclass(frozen=True, slots=True)
class Allowances:
    """Upper bounds in whole seconds for the three parts of an end.

    `detect`: from a deadline until someone acts on it. `checkpoint`: from the stop request until the checkpoint is
    complete and the trainer gone. `teardown`: from the teardown request until the provider bills no more.
    """

    detect: int
    checkpoint: int
    teardown: int

    @property
    def total(self) -> int:
        return self.detect + self.checkpoint + self.teardown


@dataclass(frozen=True, slots=True)
class Window:
    """How long a lease may live, and the money set aside for all of it."""

    opens_at: datetime
    seconds: int
    reserve: Money
    limit: Limit
    allowances: Allowances

    @property
    def gone_by(self) -> datetime:
        """When the machine must be gone and billed no more."""
        return self.opens_at + timedelta(seconds=self.seconds)

    @property
    def hard(self) -> datetime:
        """When whatever still runs is ended."""
        return self.gone_by - timedelta(seconds=self.allowances.detect + self.allowances.teardown)

    @property
    def soft(self) -> datetime:
        """When the trainer saves a checkpoint and stops."""
        return self.hard - timedelta(seconds=self.allowances.checkpoint)


def open_window(
    available: Money, offer: Offer, max_seconds: int | None, allowances: Allowances, opens_at: datetime
) -> Window | None:
    """The longest lease of `offer` that `available` pays for in full, or None if it pays for no usable second.

    Raises nothing. The window's reserve never exceeds `available`; its length is a whole number of billing quanta
    unless `max_seconds` ends it earlier, and then the reserve still covers the quantum that the end falls into.
    """
    quantum = offer.billing_quantum_seconds
    affordable = min(offer.rate.affordable_seconds(available), MAX_WINDOW_SECONDS) // quantum * quantum
    if affordable < offer.minimum_seconds:
        return None
    bounded = max_seconds is not None and max_seconds < affordable
    seconds = max_seconds if bounded and max_seconds is not None else affordable
    if seconds <= allowances.total:
        return None
    limit = Limit.MAX_HOURS if bounded else Limit.BUDGET
    return Window(opens_at, seconds, offer.cost(seconds), limit, allowances)


class Fuse(StrEnum):
    """What the guard must do with a live lease now."""

    HOLD = "hold"
    STOP = "stop"
    TEAR_DOWN = "tear_down"


def elapsed_seconds(since: datetime, now: datetime) -> int:
    """Whole seconds from `since` to `now`, rounded up, never negative."""
    return max(math.ceil((now - since).total_seconds()), 0)


def fuse(offer: Offer, opened_at: datetime, window: Window, reserved: Money, now: datetime) -> Fuse:
    """Whether a lease may go on, so that its bill can never exceed what is reserved for it.

    Asked of money first and of the clock second: it stands even if the window was computed wrongly.
    """
    used = elapsed_seconds(opened_at, now)
    ending = window.allowances.detect + window.allowances.teardown
    if offer.cost(used + ending) > reserved or now >= window.hard:
        return Fuse.TEAR_DOWN
    if offer.cost(used + ending + window.allowances.checkpoint) > reserved or now >= window.soft:
        return Fuse.STOP
    return Fuse.HOLD


def bill(offer: Offer, opened_at: datetime, ended_at: datetime) -> Money:
    """What a lease has cost by `ended_at`, rounded up to the billing quantum; nothing before it opened."""
    return ZERO if ended_at <= opened_at else offer.cost(elapsed_seconds(opened_at, ended_at))
