"""A price list in the project's own columns: the user's price file, and the snapshot that comes with the project.

Every problem is told with its line and its column, all of them at once. docs/prices.md describes the file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from typing import TypeVar

from orchestrator.adapters.catalog import cells
from orchestrator.adapters.catalog.provider_facts import facts_of
from orchestrator.domain.errors import FieldProblem, InvalidInputError
from orchestrator.domain.offers import Offer

FIELD = "prices"
REQUIRED = ("provider", "region", "instance_type", "accelerator", "count", "price_per_hour")
OPTIONAL = ("spot", "billing_quantum_seconds", "minimum_seconds", "priced_on", "undated", "firm", "source")
COLUMNS = (*REQUIRED, *OPTIONAL)
MOST_BYTES = 10 * 1024 * 1024
MOST_PROBLEMS = 100
"""Told one by one; a file that is broken throughout is not told a hundred thousand times."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Line:
    """One row as text: the line of the file that it starts on, and its cells by column."""

    number: int
    cells: Mapping[str, str]


class Problems:
    """What is wrong with a file, gathered so that all of it can be told."""

    def __init__(self) -> None:
        self._found: list[FieldProblem] = []
        self.count = 0

    def add(self, message: str, line: int | None = None) -> None:
        self.count += 1
        if self.count <= MOST_PROBLEMS:
            self._found.append(FieldProblem(FIELD if line is None else f"{FIELD}:{line}", message))

    def raise_if_any(self) -> None:
        """`InvalidInputError` with what was found."""
        if self.count > MOST_PROBLEMS:
            self._found.append(FieldProblem(FIELD, f"and {self.count - MOST_PROBLEMS} more problems"))
        if self.count:
            raise InvalidInputError(self._found)


def decoded(content: bytes) -> str:
    """The text of a price list; `InvalidInputError` for a large one and for one that is not UTF-8."""
    if len(content) > MOST_BYTES:
        raise InvalidInputError.of(FIELD, f"must be at most {MOST_BYTES // 1024 // 1024} MB")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = content.count(b"\n", 0, error.start) + 1
        raise InvalidInputError.of(f"{FIELD}:{number}", "is not in UTF-8; save the file in this encoding") from None


def check_columns(names: Iterable[str], problems: Problems, line: int) -> None:
    """Every required column is there, and none that would silently be left out."""
    given = list(names)
    for name in given:
        if name not in COLUMNS:
            near = get_close_matches(name, COLUMNS, n=1)
            guess = f"did you mean {near[0]}?" if near else f"known: {', '.join(COLUMNS)}"
            problems.add(f"{name[:40]!r} is not a column; {guess}", line)
        elif given.count(name) > 1:
            problems.add(f"{name} is there twice", line)
    for name in REQUIRED:
        if name not in given:
            problems.add(f"{name} is missing", line)


def read_lines(lines: Sequence[Line], written_on: date, today: date, origin: str, problems: Problems) -> list[Offer]:
    """The offers of `lines`. A row without its own day is dated `written_on`, one without a source `origin`."""
    seen: dict[str, int] = {}
    offers = []
    for line in lines:
        offer = _offer(_Row(line, problems), written_on, today, origin)
        if offer is None:
            continue
        if offer.id in seen:
            problems.add(f"is the same offer as line {seen[offer.id]}: {offer.id}", line.number)
            continue
        seen[offer.id] = line.number
        offers.append(offer)
    return offers


class _Row:
    """Reads the cells of one line; what cannot be read is a problem, and None."""

    def __init__(self, line: Line, problems: Problems) -> None:
        self._line = line
        self._problems = problems

    def get(self, column: str, read: Callable[[str], T]) -> T | None:
        try:
            return read(self._line.cells.get(column, "").strip())
        except cells.CellError as error:
            self._problems.add(f"{column} {error}", self._line.number)
            return None

    def optional(self, column: str, read: Callable[[str], T], default: T) -> T | None:
        """`default` for a column that is left out or empty."""
        return self.get(column, read) if self._line.cells.get(column, "").strip() else default

    def listed(self) -> str:
        return self._line.cells.get("accelerator", "").strip()


def _offer(row: _Row, written_on: date, today: date, origin: str) -> Offer | None:
    provider = row.get("provider", cells.provider)
    facts = facts_of(provider or "unknown")
    region, instance = row.get("region", cells.label), row.get("instance_type", cells.label)
    accelerator, count = row.get("accelerator", cells.accelerator), row.get("count", cells.count)
    # With a count that cannot be read, the price is still held against the largest machine.
    rate = row.get("price_per_hour", lambda text: cells.price(text, count or cells.MOST_GPUS))
    spot, firm = row.optional("spot", cells.yes_or_no, False), row.optional("firm", cells.yes_or_no, True)
    quantum = row.optional("billing_quantum_seconds", cells.seconds, facts.billing_quantum_seconds)
    minimum = row.optional("minimum_seconds", cells.seconds, facts.minimum_seconds)
    priced_on = row.optional("priced_on", cells.day_until(today), written_on)
    undated, source = row.optional("undated", cells.yes_or_no, False), row.optional("source", cells.line, origin)
    if (
        provider is None or region is None or instance is None or accelerator is None or count is None
        or rate is None or spot is None or firm is None or quantum is None or minimum is None
        or priced_on is None or undated is None or source is None
    ):  # fmt: skip
        return None
    return Offer(
        provider=provider,
        region=region,
        instance_type=instance,
        accelerator=accelerator,
        accelerator_count=count,
        spot=spot,
        rate=rate,
        billing_quantum_seconds=quantum,
        minimum_seconds=minimum,
        priced_on=priced_on,
        price_source=source,
        undated=undated,
        firm=firm,
        listed_as=row.listed(),
    )
