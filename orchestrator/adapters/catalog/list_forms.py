"""The two forms of a price list: CSV with a header, and YAML with a list of mappings under `offers`."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import date
from pathlib import PurePath

import yaml

from orchestrator.adapters.catalog.price_list import (
    FIELD,
    Line,
    Problems,
    check_columns,
    decoded,
    read_lines,
)
from orchestrator.domain.errors import InvalidInputError
from orchestrator.domain.offers import Offer

YAML_SUFFIXES = frozenset({".yaml", ".yml"})
LIST_KEY = "offers"
MOST_YAML_BYTES = 1024 * 1024
"""YAML is read at about a megabyte in ten seconds; longer lists are for CSV."""


def read_price_list(name: str, content: bytes, written_on: date, today: date, origin: str) -> tuple[Offer, ...]:
    """The offers of the file `name`, whose ending tells YAML from CSV.

    Raises `InvalidInputError` with every problem: fields `prices` and `prices:LINE`.
    """
    text = decoded(content)
    problems = Problems()
    lines = (
        _yaml_lines(text, problems) if PurePath(name).suffix.lower() in YAML_SUFFIXES else _csv_lines(text, problems)
    )
    offers = read_lines(lines, written_on, today, origin, problems)
    problems.raise_if_any()
    if not offers:
        raise InvalidInputError.of(FIELD, "has no offer in it")
    return tuple(offers)


def _csv_lines(text: str, problems: Problems) -> list[Line]:
    if text.lstrip()[:1] == "<":
        raise InvalidInputError.of(FIELD, "is a web page and not a price list")
    try:
        rows = list(_numbered(text))
    except csv.Error as error:
        raise InvalidInputError.of(FIELD, f"is not CSV: {error}") from None
    if not rows:
        raise InvalidInputError.of(FIELD, "is empty")
    (at, header), *rest = rows
    names = [name.strip() for name in header]
    check_columns(names, problems, at)
    # Cells that stand under the wrong names would each be a problem of their own.
    problems.raise_if_any()
    lines = []
    for number, row in rest:
        if len(row) != len(names):
            problems.add(f"has {len(row)} cells where the header has {len(names)}", number)
        else:
            lines.append(Line(number, dict(zip(names, row, strict=True))))
    return lines


def _numbered(text: str) -> Iterator[tuple[int, list[str]]]:
    """Rows with the lines that they start on; empty ones and remarks (`#`) are left out."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    start = 1
    for row in reader:
        if any(cell.strip() for cell in row) and not row[0].lstrip().startswith("#"):
            yield start, row
        start = reader.line_num + 1


def _yaml_lines(text: str, problems: Problems) -> list[Line]:
    """Read as nodes and not as values: each knows its line, and a price stays the text that was written."""
    lines = []
    for node in _yaml_items(text):
        number = node.start_mark.line + 1
        if not isinstance(node, yaml.MappingNode):
            problems.add("must be a mapping of columns to values", number)
            continue
        cells = {}
        names = []
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode) or not isinstance(value, yaml.ScalarNode):
                problems.add("must hold plain values", key.start_mark.line + 1)
                continue
            names.append(key.value)
            cells[key.value] = "" if value.tag == "tag:yaml.org,2002:null" else value.value
        before = problems.count
        check_columns(names, problems, number)
        if problems.count == before:
            lines.append(Line(number, cells))
    return lines


def _yaml_items(text: str) -> list[yaml.Node]:
    if len(text) > MOST_YAML_BYTES:
        raise InvalidInputError.of(FIELD, f"must be at most {MOST_YAML_BYTES // 1024 // 1024} MB as YAML; use CSV")
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        at = FIELD if error.problem_mark is None else f"{FIELD}:{error.problem_mark.line + 1}"
        raise InvalidInputError.of(at, f"is not YAML: {error.problem}") from None
    # An escape of no character, such as \UFFFFFFFF, is a plain error of Python's.
    except (yaml.YAMLError, RecursionError, ValueError, OverflowError) as error:
        raise InvalidInputError.of(FIELD, f"is not YAML: {error}"[:300]) from None
    if root is None:
        raise InvalidInputError.of(FIELD, "is empty")
    if isinstance(root, yaml.MappingNode):
        root = next((value for key, value in root.value if key.value == LIST_KEY), root)
    if not isinstance(root, yaml.SequenceNode):
        raise InvalidInputError.of(FIELD, f"must be a list of offers, or have one under `{LIST_KEY}`")
    items: list[yaml.Node] = root.value
    return items
