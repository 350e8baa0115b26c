"""The corrections in force: read seldom, and never stale for long."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest

from orchestrator.adapters.memory.clock import ManualClock
from orchestrator.adapters.memory.store import MemoryStore
from orchestrator.domain.cost.calibration import Quantity
from orchestrator.ports.store import StoredObservation
from orchestrator.services.learned import MOST_OBSERVATIONS, NEW_AT_ONCE, REFRESH, Learned
from tests.contract.store_examples import NOON, created, make_observation


class CountingStore(MemoryStore):
    """Remembers how many observations each question could have brought."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[int] = []

    def observations(self, limit: int, before: int | None = None) -> tuple[StoredObservation, ...]:
        self.asked.append(limit)
        return super().observations(limit, before)


@dataclass
class WallClock:
    """Shows whatever it was set to, also an earlier time."""

    at: datetime

    def now(self) -> datetime:
        return self.at


@pytest.fixture
def store() -> CountingStore:
    return CountingStore()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def learned(store: CountingStore, clock: ManualClock) -> Learned:
    return Learned(store, clock)


def past_refresh(clock: ManualClock) -> None:
    clock.advance(REFRESH.total_seconds() + 0.1)


def test_nothing_observed_corrects_nothing(learned: Learned) -> None:
    assert learned.corrections() == {}
    reading = learned.page(10)
    assert (reading.cells, reading.overall, reading.observations, reading.next_before) == ((), None, (), None)


def test_the_store_is_read_once_in_a_while_however_often_it_is_asked(
    learned: Learned, store: CountingStore, clock: ManualClock
) -> None:
    store.record_observation(make_observation(created(store).id))
    for _ in range(100):
        learned.corrections()
    assert store.asked == [MOST_OBSERVATIONS]
    past_refresh(clock)
    learned.corrections()
    assert store.asked[1:] == [NEW_AT_ONCE], "what is known already is not read again"


@pytest.mark.parametrize("many", [1, NEW_AT_ONCE - 1, NEW_AT_ONCE, 3 * NEW_AT_ONCE])
def test_what_was_read_piece_by_piece_is_what_is_read_at_once(
    learned: Learned, store: CountingStore, clock: ManualClock, many: int
) -> None:
    run = created(store)
    for index in range(many + 5):
        if index == 5:
            learned.corrections()
        store.record_observation(make_observation(run.id, stage_index=index, actual=1.0 + index / 100))
    past_refresh(clock)
    assert learned.corrections() == Learned(store, clock).corrections()
    assert learned.page(1).overall == Learned(store, clock).page(1).overall


def test_what_was_learned_meanwhile_is_in_force_after_the_refresh(
    learned: Learned, store: CountingStore, clock: ManualClock
) -> None:
    observation = make_observation(created(store).id)
    store.record_observation(observation)
    assert learned.corrections()[observation.cell].observations == 1
    store.record_observation(replace(observation, stage_index=1))
    assert learned.corrections()[observation.cell].observations == 1
    past_refresh(clock)
    assert learned.corrections()[observation.cell].observations == 2


def test_a_clock_that_was_set_back_does_not_keep_old_corrections(store: CountingStore) -> None:
    observation = make_observation(created(store).id)
    wall = WallClock(NOON)
    learned = Learned(store, wall)
    assert learned.corrections() == {}
    store.record_observation(observation)
    wall.at = NOON - timedelta(hours=1)
    assert set(learned.corrections()) == {observation.cell}


def test_speed_and_memory_are_corrected_and_the_rest_is_watched(learned: Learned, store: CountingStore) -> None:
    run = created(store)
    for quantity in Quantity:
        store.record_observation(make_observation(run.id, quantity=quantity))
    told = {cell.quantity: cell.correction is not None for cell in learned.page(10).cells}
    assert told == {
        Quantity.SECONDS_PER_STEP: True,
        Quantity.PEAK_MEMORY: True,
        Quantity.STARTUP: False,
        Quantity.STAGE: False,
    }
    assert learned.corrections(Quantity.STARTUP) == {}


def test_what_is_in_force_has_a_version_that_grows_with_every_observation(
    learned: Learned, store: CountingStore, clock: ManualClock
) -> None:
    run, versions = created(store), []
    for index in range(3):
        versions.append(learned.in_force().version)
        store.record_observation(make_observation(run.id, stage_index=index))
        past_refresh(clock)
    assert versions == sorted(set(versions))
    found = learned.in_force()
    assert (found.speed, found.memory) == (learned.corrections(), learned.corrections(Quantity.PEAK_MEMORY))


def test_observations_are_paged_while_the_figures_are_of_all(learned: Learned, store: CountingStore) -> None:
    run = created(store)
    for index in range(5):
        store.record_observation(make_observation(run.id, stage_index=index))
    first = learned.page(3)
    assert [stored.observation.stage_index for stored in first.observations] == [4, 3, 2]
    assert first.overall is not None
    assert first.overall.observations == 5
    last = learned.page(3, first.next_before)
    assert [stored.observation.stage_index for stored in last.observations] == [1, 0]
    assert last.next_before is None
