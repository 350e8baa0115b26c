"""Foreign words in a model card: whatever a name holds, it stays a word in the YAML and in the Markdown around it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime

from orchestrator.domain.json_value import JsonValue

LONGEST = 300
_MARKDOWN = re.compile(r"[\\`*_\[\]<>#|~&@!{}$^=]|:(?=//)|(?<=www)\.")
"""Markup, and what makes a link of an address on the Hub."""
_BACKTICKS = re.compile(r"`+")
_HUB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}(/[A-Za-z0-9][A-Za-z0-9._-]{0,95})?")


def plain(text: str) -> str:
    """`text` on one line, without what does not print (controls, marks that turn the direction of writing, halves of
    characters), cut at `LONGEST` characters."""
    printable = "".join(letter if letter.isprintable() else " " for letter in text[: 4 * LONGEST])
    line = " ".join(printable.split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"


def words(text: str) -> str:
    """`text` as prose: nothing in it is markup, a link or HTML."""
    return _MARKDOWN.sub(lambda sign: f"\\{sign[0]}", plain(text))


def code(text: str) -> str:
    """`text` in a code span, where nothing is markup. A bar would end a table's cell even there, and is replaced by
    its double that does not."""
    inner = plain(text).replace("|", "¦")
    fence = "`" * (max(map(len, _BACKTICKS.findall(inner)), default=0) + 1)
    padded = f" {inner} " if inner.startswith("`") or inner.endswith("`") or not inner else inner
    return f"{fence}{padded}{fence}"


def quoted(text: str) -> str:
    """`text` as a double-quoted YAML scalar, which is never anything but a string."""
    return json.dumps(plain(text), ensure_ascii=False)


def literal(text: str) -> str:
    """`text` as a string literal of Python, in ASCII, exact."""
    return json.dumps(text)


def block(value: JsonValue) -> list[str]:
    """`value` as a fenced block of JSON. No line of it can begin with a fence: within JSON, text is always quoted."""
    return ["```json", *json.dumps(value, indent=2).split("\n"), "```"]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A table from cells that are escaped already."""
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(line)} |" for line in lines]


def is_hub_id(text: str) -> bool:
    """Whether `text` can name something on the hub."""
    return _HUB_ID.fullmatch(text) is not None and ".." not in text and "--" not in text


def base_name(source: str) -> str:
    """The last part of a local path: the rest says much about a computer and nothing to anybody else."""
    return source.rstrip("/\\").replace("\\", "/").rsplit("/", 1)[-1] or source


def moment(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def number(value: float) -> str:
    """A figure as it is read by people and by YAML alike: `1.25`, `0.00001`, never `1e-05`."""
    digits = f"{value:.6f}".rstrip("0")
    return f"{digits}0" if digits.endswith(".") else digits
