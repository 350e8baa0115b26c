"""What the store's promises say about baselines and publications, on every adapter."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from orchestrator.domain.baseline import offered_key, wanted_key
from orchestrator.domain.ids import StageId
from orchestrator.domain.lifecycle import Outcome, RunStatus
from orchestrator.domain.publication import Publication
from orchestrator.domain.run import Run
from orchestrator.domain.stages import Stage, StageKind, StageStatus
from orchestrator.ports.store import RunChange, Store
from tests.contract.store_examples import NOON, created, make_run, minutes

MEASURED = Stage(
    StageId("02-evaluate"), StageKind.EVALUATE, 60, StageStatus.DONE, results=({"subject": "tuned", "rows": 10},)
)
COMPLETED = {"status": RunStatus.ENDED, "outcome": Outcome.COMPLETED, "stages": (MEASURED,), "strategy": "lora"}


def asked(**fields: Any) -> Publication:
    return replace(Publication("me/it", True, 1, NOON, NOON), **fields)


def test_the_newest_baseline_of_a_comparison_is_found_among_all_others(store: Store) -> None:
    created(store, 1, **COMPLETED)
    newest = created(store, 2, **COMPLETED)
    for number, change in enumerate(
        ({"outcome": Outcome.BUDGET_REACHED}, {"stages": ()}, {"strategy": "galore"}, {"status": RunStatus.QUEUED}), 3
    ):
        created(store, number, **{**COMPLETED, **change})
    other = make_run(9, **COMPLETED)
    store.create(RunChange(replace(other, spec=replace(other.spec, model="another"))), None)
    key = wanted_key(make_run(8, strategy="dora"))
    assert key is not None
    assert store.newest_baseline(key) == newest
    assert store.newest_baseline("nothing") is None


def test_a_run_becomes_a_baseline_when_it_completes_and_is_none_while_it_goes_on(store: Store) -> None:
    def found(run: Run) -> Run | None:
        return store.newest_baseline(str(wanted_key(replace(run, spec=replace(run.spec, strategy="dora")))))

    run = created(store, strategy="lora")
    assert found(run) is None
    fields = {name: value for name, value in COMPLETED.items() if name != "strategy"}
    completed = store.save(RunChange(replace(run, **fields)))
    assert offered_key(completed) is not None
    assert found(run) == completed
    store.save(RunChange(replace(completed, status=RunStatus.QUEUED)))
    assert found(run) is None


def test_publications_that_are_due_are_named_oldest_first(store: Store) -> None:
    created(store, 1)
    created(store, 2, publication=asked(due_at=NOON + minutes(2)), status=RunStatus.ENDED)
    created(store, 3, publication=asked(due_at=NOON), status=RunStatus.ENDED)
    created(store, 4, publication=asked(due_at=NOON + minutes(5)), status=RunStatus.ENDED)
    created(store, 5, publication=asked(due_at=None), status=RunStatus.ENDED)
    expected = (make_run(3).id, make_run(2).id)
    assert store.due_publications(NOON + minutes(2), 10) == expected
    assert store.due_publications(NOON + minutes(2), 1) == expected[:1]
    assert store.due_publications(NOON - minutes(1), 10) == ()


def test_a_publication_that_is_over_is_due_no_more(store: Store) -> None:
    run = created(store, publication=asked(), status=RunStatus.ENDED)
    assert store.due_publications(NOON, 10) == (run.id,)
    done = store.save(RunChange(replace(run, publication=asked().done("https://hub/me/it", NOON))))
    assert store.due_publications(NOON + minutes(99), 10) == ()
    assert store.load(run.id).run == done
