"""Identifiers that count up."""

from __future__ import annotations

import itertools

from orchestrator.domain.ids import RunId, parse_run_id


class SequenceIds:
    """`run_000000000001`, `run_000000000002`, ...: the same ids in every run of a test or a simulation."""

    def __init__(self, first: int = 1) -> None:
        self._numbers = itertools.count(first)

    def new_run_id(self) -> RunId:
        return parse_run_id(f"run_{next(self._numbers):012d}")
