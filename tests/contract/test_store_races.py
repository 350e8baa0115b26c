"""The store's promises when many threads and processes ask at once."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from typing import TypeVar

import pytest

from orchestrator.domain.errors import ConflictError, StaleVersionError
from orchestrator.domain.run import Run
from orchestrator.ports.store import IdempotencyRecord, RunChange, RunQuery, Store
from tests.contract.store_adapters import SQL_ADAPTERS, StoreSite
from tests.contract.store_examples import NOON, make_entry, make_lease, make_posting, make_run, minutes

T = TypeVar("T")

RIVALS = 4
KEY = IdempotencyRecord("client-key", "digest-of-the-body")

on_sql_only = pytest.mark.parametrize("site", SQL_ADAPTERS, indirect=True)


def at_once(calls: Sequence[Callable[[], T]]) -> list[T | Exception]:
    """What each call returned or raised, all of them started together in threads."""
    barrier = Barrier(len(calls))

    def call(index: int) -> T | Exception:
        barrier.wait(30)
        try:
            return calls[index]()
        except Exception as error:  # noqa: BLE001 - what it raised is the result
            return error

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(call, range(len(calls))))


def in_processes(work: Callable[[int], str]) -> list[str]:
    """What `work` returned in each of `RIVALS` forked processes that started together.

    Forked, so that each inherits the open store of the parent, as a Celery worker would.
    """
    context = multiprocessing.get_context("fork")
    barrier, answers = context.Barrier(RIVALS), context.SimpleQueue()

    def body(index: int) -> None:
        barrier.wait(30)
        try:
            answers.put(work(index))
        except Exception as error:  # noqa: BLE001 - told to the parent, which asserts on it
            answers.put(repr(error))

    children = [context.Process(target=body, args=(index,)) for index in range(RIVALS)]
    for child in children:
        child.start()
    found = [answers.get() for _ in children]
    for child in children:
        child.join(30)
    assert [child.exitcode for child in children] == [0] * RIVALS
    return sorted(found)


def runs_made(store: Store, count: int) -> list[Run]:
    return [store.create(RunChange(make_run(number)), None) for number in range(count)]


def rent(store: Store, run: Run) -> Run:
    lease = make_lease(run.id, capacity=1)
    reserve = make_posting(run.id, "reserve", lease.id)
    return store.save(RunChange(replace(run, lease_id=lease.id), lease, (reserve,)))


def test_of_rival_saves_of_one_version_exactly_one_wins(site: StoreSite) -> None:
    stores = [site.open() for _ in range(RIVALS)]
    run = runs_made(stores[0], 1)[0]

    def save(index: int) -> Callable[[], Run]:
        postings = (make_posting(run.id, f"grant:{index}"),)
        change = RunChange(replace(run, reason=str(index)), None, postings, (make_entry(run.id, f"e{index}"),))
        return lambda: stores[index].save(change)

    results = at_once([save(index) for index in range(RIVALS)])
    winners = [index for index, result in enumerate(results) if isinstance(result, Run)]
    assert len(winners) == 1
    assert [type(result) for result in results if isinstance(result, Exception)] == [StaleVersionError] * (RIVALS - 1)
    record = stores[0].load(run.id)
    assert (record.run.reason, record.run.version) == (str(winners[0]), run.version + 1)
    assert [posting.key for posting in record.postings] == [f"grant:{winners[0]}"]
    assert [stored.entry.key for stored in stores[0].journal(run.id, 0, 9)] == [f"e{winners[0]}"]


def test_of_runs_that_race_for_the_last_machine_exactly_one_gets_it(site: StoreSite) -> None:
    stores = [site.open() for _ in range(RIVALS)]
    runs = runs_made(stores[0], RIVALS)
    pairs = zip(stores, runs, strict=True)
    results = at_once([lambda store=store, run=run: rent(store, run) for store, run in pairs])  # type: ignore[misc]
    assert sum(isinstance(result, Run) for result in results) == 1
    assert [type(result) for result in results if isinstance(result, Exception)] == [ConflictError] * (RIVALS - 1)
    assert len(stores[0].open_leases()) == 1
    assert sum(len(stores[0].load(run.id).postings) for run in runs) == 1


def test_rival_creations_with_one_key_make_one_run(site: StoreSite) -> None:
    stores = [site.open() for _ in range(RIVALS)]

    def create(index: int) -> Callable[[], Run]:
        return lambda: stores[index].create(RunChange(make_run(index)), KEY)

    results = at_once([create(index) for index in range(RIVALS)])
    assert all(result == results[0] for result in results), results
    assert [record.run for record in stores[0].runs(RunQuery()).runs] == [results[0]]


def test_rival_creations_of_one_run_make_it_once(site: StoreSite) -> None:
    stores = [site.open() for _ in range(RIVALS)]

    def create(index: int) -> Callable[[], Run]:
        return lambda: stores[index].create(RunChange(make_run(1, reason=str(index))), None)

    results = at_once([create(index) for index in range(RIVALS)])
    assert sorted(type(result).__name__ for result in results) == ["ConflictError"] * (RIVALS - 1) + ["Run"]


def test_threads_that_share_one_store_save_different_runs_without_disturbing_each_other(store: Store) -> None:
    saves = 5

    def work(run: Run) -> Callable[[], Run]:
        def save_often() -> Run:
            saved = run
            for number in range(saves):
                change = RunChange(
                    saved, None, (make_posting(run.id, f"p{number}"),), (make_entry(run.id, f"{number}"),)
                )
                saved = store.save(change)
                store.beat("worker", NOON + minutes(number))
            return saved

        return save_often

    runs = runs_made(store, RIVALS)
    results = at_once([work(run) for run in runs])
    assert results == [replace(run, version=run.version + saves) for run in runs]
    assert store.beats() == {"worker": NOON + minutes(saves - 1)}
    seqs = [stored.seq for run in runs for stored in store.journal(run.id, 0, 99)]
    assert len(set(seqs)) == RIVALS * saves


@on_sql_only
def test_of_processes_that_save_one_version_exactly_one_wins(site: StoreSite) -> None:
    store = site.open()
    run = runs_made(store, 1)[0]

    def save(index: int) -> str:
        try:
            store.save(RunChange(replace(run, reason=str(index))))
        except StaleVersionError:
            return "stale"
        return "won"

    assert in_processes(save) == ["stale"] * (RIVALS - 1) + ["won"]
    assert store.load(run.id).run.version == run.version + 1, "the parent's own connection still works"


@on_sql_only
def test_of_processes_that_race_for_the_last_machine_exactly_one_gets_it(site: StoreSite) -> None:
    store = site.open()
    runs = runs_made(store, RIVALS)

    def take(index: int) -> str:
        try:
            rent(store, runs[index])
        except ConflictError:
            return "full"
        return "got it"

    assert in_processes(take) == ["full"] * (RIVALS - 1) + ["got it"]
    assert len(store.open_leases()) == 1


@on_sql_only
def test_processes_that_create_with_one_key_make_one_run(site: StoreSite) -> None:
    store = site.open()
    assert store.runs(RunQuery()).runs == ()
    made = in_processes(lambda index: store.create(RunChange(make_run(index)), KEY).id)
    assert set(made) == {store.runs(RunQuery()).runs[0].run.id}


@on_sql_only
def test_processes_that_write_at_once_wait_for_each_other(site: StoreSite) -> None:
    store = site.open()
    runs = runs_made(store, RIVALS)

    def save_often(index: int) -> str:
        run = runs[index]
        for number in range(5):
            run = store.save(RunChange(run, None, (make_posting(run.id, f"p{number}"),)))
        return str(run.version)

    assert in_processes(save_often) == ["6"] * RIVALS
