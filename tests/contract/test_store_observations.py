"""What the store promises about observations, on every adapter."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from orchestrator.domain.cost.calibration import Observation, Quantity
from orchestrator.domain.errors import NotFoundError
from orchestrator.domain.ids import RunId
from orchestrator.ports.store import Store
from tests.contract.store_adapters import StoreSite
from tests.contract.store_examples import created, filled, make_observation


def seen(store: Store) -> list[Observation]:
    return [stored.observation for stored in store.observations(100)]


def test_every_field_of_an_observation_comes_back_equal(store: Store) -> None:
    observation = replace(filled(Observation), run_id=created(store).id)
    store.record_observation(observation)
    (stored,) = store.observations(10)
    assert stored.observation == observation
    assert stored.observation.at.utcoffset() == timedelta(0)


def test_of_one_run_stage_attempt_and_quantity_the_first_observation_stays(store: Store) -> None:
    first = make_observation(created(store).id)
    store.record_observation(first)
    store.record_observation(replace(first, actual=9.0))
    assert seen(store) == [first]


def test_another_stage_attempt_quantity_or_run_is_another_observation(store: Store) -> None:
    first = make_observation(created(store, 1).id)
    others = [
        replace(first, stage_index=1),
        replace(first, attempt=2),
        replace(first, quantity=Quantity.PEAK_MEMORY),
        replace(first, run_id=created(store, 2).id),
    ]
    for each in (first, *others):
        store.record_observation(each)
    assert seen(store) == [*reversed(others), first]


def test_observations_are_paged_from_the_newest_on(store: Store) -> None:
    run = created(store)
    kept = [make_observation(run.id, stage_index=index) for index in range(5)]
    for each in kept:
        store.record_observation(each)
    pages, before = [], None
    while page := store.observations(2, before):
        pages.append([stored.observation.stage_index for stored in page])
        before = page[-1].seq
    assert pages == [[4, 3], [2, 1], [0]]


def test_an_observation_of_a_run_that_does_not_exist_is_refused(store: Store) -> None:
    with pytest.raises(NotFoundError):
        store.record_observation(make_observation(RunId("run_000000000009")))
    assert seen(store) == []


def test_what_one_store_observed_another_reads(site: StoreSite) -> None:
    store = site.open()
    observation = make_observation(created(store).id)
    store.record_observation(observation)
    assert seen(site.open()) == [observation]
