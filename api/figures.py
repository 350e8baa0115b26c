"""How figures are written wherever people read them."""

from __future__ import annotations


def count(number: int) -> str:
    """A large whole number to three digits: `950`, `59.2M`, `1.5B`."""
    for unit, size in (("B", 10**9), ("M", 10**6), ("K", 10**3)):
        if number >= size:
            return f"{number / size:.3g}{unit}" if number < 1000 * size else f"{number // size:,}{unit}"
    return str(number)
