"""How far a price can be trusted: its age, and what a change since the quote calls for."""

from __future__ import annotations

from datetime import date
from enum import StrEnum

from orchestrator.domain.money import Rate
from orchestrator.domain.offers import Offer


def age_days(offer: Offer, today: date) -> int | None:
    """Whole days since the price was read, never negative; None when its source does not say when that was."""
    return None if offer.undated else max((today - offer.priced_on).days, 0)


def is_old(offer: Offer, today: date, most_days: int) -> bool:
    """True of a price read more than `most_days` ago, and of one that cannot show that it was not."""
    age = age_days(offer, today)
    return age is None or age > most_days


class PriceChange(StrEnum):
    """What became of a quoted price. SAME: nothing to do. WITHIN: quote again. BEYOND: quote again, and ask."""

    SAME = "same"
    WITHIN = "within"
    BEYOND = "beyond"


def judge_change(quoted: Rate, now: Rate, tolerance_percent: int) -> PriceChange:
    """Compare the price of now with the one quoted. A fall is always within: nobody minds paying less."""
    if now == quoted:
        return PriceChange.SAME
    most = quoted.micros_per_hour * (100 + tolerance_percent)
    return PriceChange.WITHIN if now.micros_per_hour * 100 <= most else PriceChange.BEYOND
