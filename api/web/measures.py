"""Measures side by side: before, after, what changed, and which way is better. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from api.web.wording import number
from orchestrator.domain.json_value import JsonValue

LESS_IS_BETTER = frozenset({"loss", "perplexity", "bits", "brier", "ter", "wer", "mse", "mae", "error"})
"""Words in the names of metrics that improve downwards; every other metric counts up."""

Result = Mapping[str, JsonValue]
NOTHING: Result = {}


@dataclass(frozen=True, slots=True)
class Comparison:
    """One measure before and after, and of the baseline where there is one. `verdict` is better, worse, same, unclear
    (the change is within the error of measurement), or empty where one side is missing."""

    measure: str
    metric: str
    before: str
    after: str
    change: str
    verdict: str
    baseline: str = ""


def compare(measure: str, before: JsonValue, after: JsonValue, baseline: JsonValue, *, percent: bool) -> Comparison:
    """A measure on the held-out rows: a share in percent, more is better, or else a loss."""
    show = _percent if percent else number
    change, verdict = "", ""
    if _is_number(before) and _is_number(after):
        by = _float(after) - _float(before)
        change = f"{by * 100:+.1f} points" if percent else f"{by:+.4f}"
        verdict = _verdict(by if percent else -by)
    return Comparison(measure, "", show(before), show(after), change, verdict, show(baseline))


def compare_task(task: str, metric: str, before: Result, after: Result, baseline: Result) -> Comparison:
    """A metric of an evaluation task, with its standard error."""
    change, verdict = "", ""
    old, new = before.get("value"), after.get("value")
    if _is_number(old) and _is_number(new):
        by = _float(new) - _float(old)
        change = f"{by:+.4f}"
        verdict = _verdict(-by if _counts_down(metric) else by)
        if by and abs(by) <= math.hypot(_float(before.get("stderr")), _float(after.get("stderr"))):
            verdict = "unclear"
    return Comparison(task, metric, _measured(before), _measured(after), change, verdict, _measured(baseline))


def _counts_down(metric: str) -> bool:
    # Names are like `word_perplexity,none`: whole words, for `ter` is in `character` too.
    return not LESS_IS_BETTER.isdisjoint(re.split(r"[^a-z]+", metric.lower()))


def _verdict(gain: float) -> str:
    return ("better" if gain > 0 else "worse") if gain else "same"


def _measured(result: Result) -> str:
    """The value with its standard error."""
    value, error = result.get("value"), result.get("stderr")
    return f"{number(value)} ± {number(error, 2)}" if _is_number(error) and _is_number(value) else number(value)


def _is_number(value: JsonValue) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _float(value: JsonValue) -> float:
    """The number; 0 for what is none."""
    return float(value) if isinstance(value, int | float) and _is_number(value) else 0.0


def _percent(value: JsonValue) -> str:
    return f"{_float(value) * 100:.1f} %" if _is_number(value) else number(value)
