"""The names of accelerators: each cloud has its own for the same product, prices and speeds go by one."""

from __future__ import annotations

import re
from difflib import get_close_matches
from functools import lru_cache

from orchestrator.domain.cost.gpus import GPUS

_SEPARATORS = re.compile(r"[\s_-]+")
_SAYS_NOTHING = re.compile(r"NVIDIA|TENSOR|CORE|GPU|HGX|MEGA|SXM[0-9]?|[0-9]+GB")
_BY_SPELLING = {_SEPARATORS.sub("", name.upper()): name for name in GPUS}
_OTHER_ON_PCIE = frozenset({"H100", "H200"})
"""On a PCIe card these are slower products of their own; the others differ by a few percent or exist only as cards."""


@lru_cache(maxsize=4096)
def accelerator_of(listed: str) -> str | None:
    """The name that prices and speeds go by: `H200-SXM` and `H200 141GB SXM5` are `H200`; None for one unknown here.

    An A100 is `A100-80GB` only where the listing says so; without its size it counts as the small one.
    """
    exact = _BY_SPELLING.get(_SEPARATORS.sub("", listed.upper()))
    if exact is not None:
        return exact
    words = [word for word in _SEPARATORS.split(listed.strip().upper()) if word]
    kept = [word for word in words if word != "PCIE" and not _SAYS_NOTHING.fullmatch(word)]
    name = _BY_SPELLING.get("".join(kept))
    if name == "A100" and "80GB" in words:
        return "A100-80GB"
    return None if "PCIE" in words and name in _OTHER_ON_PCIE else name


def nearest_accelerators(listed: str) -> tuple[str, ...]:
    """Known names that look like `listed`, the likeliest first; all of them when none does."""
    close = get_close_matches(listed.strip().upper(), GPUS, n=3, cutoff=0.5)
    return tuple(close or GPUS)
