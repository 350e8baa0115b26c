"""How quantities are written on the pages: money, durations, ages, sizes. Pure."""

from __future__ import annotations

import math
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal

from orchestrator.domain.money import MICROS_PER_DOLLAR, Money

_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def dollars(money: Money) -> str:
    """A sum to be read at a glance: cents from one dollar up, at most four places below; `$12.50`, `$0.0213`."""
    places = 2 if abs(money.micros) >= MICROS_PER_DOLLAR else 4
    amount = (Decimal(abs(money.micros)) / MICROS_PER_DOLLAR).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    whole, _, fraction = f"{amount:,}".partition(".")
    return f"{'-' if money.micros < 0 else ''}${whole}.{fraction.rstrip('0').ljust(2, '0')}"


def exact_dollars(money: Money) -> str:
    """The same sum to the last micro-dollar."""
    return f"-${(-money).dollars()}" if money.micros < 0 else f"${money.dollars()}"


def duration(seconds: float) -> str:
    """Whole seconds in at most two units, rounded down: `3 min 20 s`, `2 h`. Negative counts as none."""
    left = max(int(seconds), 0)
    parts: list[str] = []
    for unit, size in _UNITS:
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {unit}")
        elif parts:
            break
    return " ".join(parts[:2]) or "0 s"


def age(then: datetime, now: datetime) -> str:
    """How long ago, in one unit: `just now`, `40 s ago`, `3 h ago`."""
    seconds = int((now - then).total_seconds())
    if seconds < 5:
        return "just now"
    unit, size = next((unit, size) for unit, size in _UNITS if seconds >= size)
    return f"{seconds // size} {unit} ago"


def size(count: int) -> str:
    """Bytes in powers of 1024: `812 B`, `1.4 MiB`."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{count} B" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"


def number(value: object, digits: int = 4) -> str:
    """A measured number to `digits` significant digits; a dash for what is missing or not finite."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return "–"  # noqa: RUF001 - a dash that stands for a missing number
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.{digits}g}"


def words(token: str) -> str:
    """A domain token as a person writes it: `budget_reached` -> `budget reached`."""
    return token.replace("_", " ")


def stamp(moment: datetime) -> str:
    """UTC to the second."""
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
