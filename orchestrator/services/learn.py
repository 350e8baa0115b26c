"""Keep what a finished training has shown beside what its plan foretold."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from orchestrator.domain.ids import RunId
from orchestrator.domain.journal import Entry, EntryKind
from orchestrator.domain.learning import observations_of, stage_facts
from orchestrator.domain.run import Run
from orchestrator.domain.stages import Stage
from orchestrator.ports.store import Store

log = logging.getLogger(__name__)

PAGE = 2000
_TOLD = frozenset({EntryKind.METRIC, EntryKind.STAGE})


class Learn:
    """Records the observations of stages that have just ended. Idempotent: the first of each is kept.

    Not pursued on later ticks: a process that dies between a stage's end and this loses one observation, and a later
    plan, perhaps for another machine, is never held against it.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def execute(self, run: Run, ended: tuple[Stage, ...]) -> int:
        """How many observations `ended`, stages of `run` as it was saved, gave."""
        count = 0
        for stage in ended:
            index = run.index_of(stage)
            if run.plan is None or run.plan.stages[index].predicted is None:
                continue
            for observation in observations_of(run, index, stage_facts(stage, self._entries(run.id))):
                self._store.record_observation(observation)
                log.info("%s %s: %s was %.4g, %.4g was foretold", run.id, stage.id, observation.quantity,
                         observation.actual, observation.predicted)  # fmt: skip
                count += 1
        return count

    def _entries(self, run_id: RunId) -> Iterator[Entry]:
        after = 0
        while page := self._store.journal(run_id, after, PAGE, _TOLD):
            yield from (stored.entry for stored in page)
            after = page[-1].seq
