"""Strategies: named ways to train, each a set of techniques with settings. The study book's names and letters."""

from orchestrator.domain.strategies.catalogue import STRATEGIES, Strategy, find_strategy

__all__ = ["STRATEGIES", "Strategy", "find_strategy"]
