"""Which of two media types a client would rather have (RFC 9110, 12.5.1)."""

from __future__ import annotations

import re

_QUALITY = re.compile(r"q=([01](?:\.[0-9]{0,3})?)")


def prefers(accept: str, wanted: str, *, over: str) -> bool:
    """Whether `accept` puts `wanted` before `over`. Neither mentioned, or alike: no."""
    ranges = [_parse(part) for part in accept.lower().split(",")]
    return _quality(ranges, wanted) > _quality(ranges, over)


def _parse(part: str) -> tuple[str, float]:
    kind, *parameters = (piece.strip() for piece in part.split(";"))
    given = next((match[1] for each in parameters if (match := _QUALITY.fullmatch(each))), "1")
    return kind, float(given)


def _quality(ranges: list[tuple[str, float]], kind: str) -> float:
    """The quality of the most specific range that `kind` falls into, 0 if none."""
    for shape in (kind, f"{kind.split('/')[0]}/*", "*/*"):
        found = [quality for each, quality in ranges if each == shape]
        if found:
            return max(found)
    return 0.0
