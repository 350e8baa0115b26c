"""The cells of a price list, each read to a value or refused with a sentence that says what it should be."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, timedelta
from decimal import ROUND_CEILING, Decimal
from typing import TypeVar

from orchestrator.domain.accelerators import accelerator_of, nearest_accelerators
from orchestrator.domain.money import MICROS_PER_DOLLAR, Rate
from orchestrator.domain.offers import LOCAL_PROVIDER

MOST_DOLLARS_PER_GPU_HOUR = 1000
"""Nothing on the market costs a tenth of it: above, the decimal point is in the wrong place."""
MOST_GPUS = 72
"""The largest machine sold as one: a rack of 72."""
MOST_SECONDS = 366 * 24 * 3600
MOST_CHARACTERS = 120
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]{1,2})?")
_WHOLE = re.compile(r"[0-9]{1,9}(\.0*)?")
_PROVIDER = re.compile(r"[a-z0-9][a-z0-9._-]*")
_WORDS = {"true": True, "yes": True, "1": True, "spot": True, "false": False, "no": False, "0": False, "": False}
T = TypeVar("T")


class CellError(ValueError):
    """A cell that cannot be taken; the message follows the column's name: `must be above zero`."""


def price(text: str, count: int) -> Rate:
    """Dollars per hour of the whole machine, as micro-dollars rounded up. A float never comes between."""
    if not text:
        raise CellError("is missing")
    if len(text) > 40 or not _NUMBER.fullmatch(text):
        raise CellError(f"must be a number of dollars such as 3.50, not {_quoted(text)}")
    dollars = Decimal(text)
    if dollars <= 0:
        raise CellError("must be above zero")
    if dollars > MOST_DOLLARS_PER_GPU_HOUR * count:
        raise CellError(f"is above ${MOST_DOLLARS_PER_GPU_HOUR} for a GPU and hour: is the decimal point where it was?")
    return Rate(int((dollars * MICROS_PER_DOLLAR).to_integral_value(rounding=ROUND_CEILING)))


def count(text: str) -> int:
    """How many accelerators the machine has."""
    if not _WHOLE.fullmatch(text) or not 1 <= int(Decimal(text)) <= MOST_GPUS:
        raise CellError(f"must be a whole number of accelerators from 1 to {MOST_GPUS}, not {_quoted(text)}")
    return int(Decimal(text))


def accelerator(text: str) -> str:
    """Our name of the accelerator."""
    if not text:
        raise CellError("is missing")
    name = accelerator_of(text)
    if name is None:
        raise CellError(f"{_quoted(text)} is not known here; the nearest: {', '.join(nearest_accelerators(text))}")
    return name


def provider(text: str) -> str:
    """The provider's name in small letters."""
    name = label(text).lower()
    if name == LOCAL_PROVIDER:
        raise CellError("`local` is this machine, whose price is LATTICEFORGE_LOCAL_DOLLARS_PER_DEVICE_HOUR")
    if not _PROVIDER.fullmatch(name):
        raise CellError(f"must be letters, digits, dots and dashes, not {_quoted(text)}")
    return name


def label(text: str) -> str:
    """A name that goes into ids and tables."""
    if not text:
        raise CellError("is missing")
    return line(text)


def line(text: str) -> str:
    """A short text on one line; may be empty."""
    if len(text) > MOST_CHARACTERS:
        raise CellError(f"must be at most {MOST_CHARACTERS} characters")
    if not text.isprintable() or "\ufffd" in text:
        raise CellError("has a character that cannot be printed")
    return text


def yes_or_no(text: str) -> bool:
    answer = _WORDS.get(text.lower())
    if answer is None:
        raise CellError(f"must be yes or no, not {_quoted(text)}")
    return answer


def seconds(text: str) -> int:
    """A step or a minimum of billing."""
    if not _WHOLE.fullmatch(text) or not 1 <= int(Decimal(text)) <= MOST_SECONDS:
        raise CellError(f"must be whole seconds from 1 to {MOST_SECONDS}, not {_quoted(text)}")
    return int(Decimal(text))


def day_until(today: date) -> Callable[[str], date]:
    """A reader of days that are not in the future; a day's grace, since it may be tomorrow elsewhere."""

    def day(text: str) -> date:
        try:
            read = date.fromisoformat(text)
        except ValueError:
            raise CellError(f"must be a day such as 2026-11-23, not {_quoted(text)}") from None
        if read > today + timedelta(days=1):
            raise CellError(f"{read} is in the future")
        return read

    return day


def _quoted(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:37]}...")
