"""Money as whole micro-dollars. No float ever touches an amount, and every rounding has a direction."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from orchestrator.domain.errors import InvalidInputError

MICROS_PER_DOLLAR = 1_000_000
SECONDS_PER_HOUR = 3600
_PLAIN = re.compile(r"-?[0-9]+(\.[0-9]+)?")
MAX_DOLLARS = 1_000_000
"""A cap above this is taken for a slip of the hand: nobody fine-tunes with a million dollars by one POST."""


@dataclass(frozen=True, slots=True, order=True)
class Money:
    """An amount in whole micro-dollars (1 USD = 1,000,000). May be negative: a balance can be."""

    micros: int

    def __add__(self, other: Money) -> Money:
        return Money(self.micros + other.micros)

    def __sub__(self, other: Money) -> Money:
        return Money(self.micros - other.micros)

    def __neg__(self) -> Money:
        return Money(-self.micros)

    def dollars(self) -> str:
        """The exact decimal string in dollars, at least two places: `50.00`, `0.000278`."""
        sign = "-" if self.micros < 0 else ""
        whole, fraction = divmod(abs(self.micros), MICROS_PER_DOLLAR)
        digits = f"{fraction:06d}".rstrip("0").ljust(2, "0")
        return f"{sign}{whole}.{digits}"


ZERO = Money(0)


@dataclass(frozen=True, slots=True, order=True)
class Rate:
    """A price per hour in whole micro-dollars, for the whole machine (all of its accelerators)."""

    micros_per_hour: int

    def __post_init__(self) -> None:
        if self.micros_per_hour <= 0:
            raise InvalidInputError.of("price", "a price must be above zero")

    def cost_ceil(self, seconds: int) -> Money:
        """Price `seconds` of this rate, rounded up: a reservation must never fall short."""
        return Money(-(-self.micros_per_hour * seconds // SECONDS_PER_HOUR))

    def affordable_seconds(self, money: Money) -> int:
        """Whole seconds that `money` pays for, rounded down; `cost_ceil` of them never exceeds `money`."""
        return max(money.micros, 0) * SECONDS_PER_HOUR // self.micros_per_hour


def parse_dollars(value: object, field: str) -> Money:
    """A positive amount from a JSON number or decimal string in dollars.

    Raises `InvalidInputError` naming `field` for text, NaN, infinities, zero, negatives, fractions of a micro-dollar
    and anything above `MAX_DOLLARS`.
    """
    amount = _decimal(value, field)
    if amount <= 0:
        raise InvalidInputError.of(field, "must be above zero dollars")
    if amount > MAX_DOLLARS:
        raise InvalidInputError.of(field, f"must be at most {MAX_DOLLARS:,} dollars")
    micros = amount * MICROS_PER_DOLLAR
    if micros < 1 or micros != micros.to_integral_value():
        raise InvalidInputError.of(field, "has more than six decimal places; the smallest unit is a micro-dollar")
    return Money(int(micros))


def _decimal(value: object, field: str) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise InvalidInputError.of(field, "must be a number of dollars, for example 50 or 12.50")
    text = str(value).strip()
    if len(text) > 40:
        raise InvalidInputError.of(field, "is not a number of dollars")
    # Python's reader takes 1e5, digits of every script and 1_000 too; what is typed as text has to be plain.
    if isinstance(value, str) and not _PLAIN.fullmatch(text):
        raise InvalidInputError.of(field, "is not a number of dollars in plain digits, for example 50 or 12.50")
    try:
        # str() of a float is its shortest exact spelling, so 0.05 in JSON means five cents exactly.
        amount = Decimal(text)
    except InvalidOperation:
        raise InvalidInputError.of(field, "is not a number of dollars, for example 50 or 12.50") from None
    if not amount.is_finite():
        raise InvalidInputError.of(field, "must be a finite number of dollars")
    return amount
