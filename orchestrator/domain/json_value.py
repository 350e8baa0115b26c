"""The values that JSON can carry, for configurations that pass through unread."""

from __future__ import annotations

from typing import TypeAlias, Union

JsonValue: TypeAlias = Union[bool, int, float, str, list["JsonValue"], dict[str, "JsonValue"], None]  # noqa: UP007
"""A recursive alias; the `|` form cannot name itself in Python 3.11."""
