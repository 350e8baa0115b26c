"""Strategies: named ways to train."""

from orchestrator.domain.strategies.catalogue import CUSTOM, STRATEGIES, Phase, Strategy, find_strategy
from orchestrator.domain.strategies.expansion import DEFAULTS, Wishes, check_techniques, expand

__all__ = [
    "CUSTOM",
    "DEFAULTS",
    "STRATEGIES",
    "Phase",
    "Strategy",
    "Wishes",
    "check_techniques",
    "expand",
    "find_strategy",
]
