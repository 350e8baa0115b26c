"""What the store's promises say about leases, queues, pages, the journal and beats, on every adapter."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from orchestrator.domain.errors import ConflictError, NotFoundError
from orchestrator.domain.ids import RunId
from orchestrator.domain.journal import EntryKind
from orchestrator.domain.lifecycle import RunStatus
from orchestrator.ports.store import RunChange, RunQuery, RunRecord, Store
from tests.contract.store_examples import (
    NOON,
    created,
    keys,
    make_entry,
    make_lease,
    make_posting,
    make_run,
    minutes,
    rented,
)


def test_a_new_lease_beyond_the_capacity_is_refused_with_all_of_its_change(store: Store) -> None:
    first, second = created(store, 1), created(store, 2)
    rented(store, first, make_lease(first.id, capacity=1))
    lease = make_lease(second.id, capacity=1)
    change = RunChange(
        replace(second, lease_id=lease.id), lease, (make_posting(second.id),), (make_entry(second.id, "e"),)
    )
    with pytest.raises(ConflictError):
        store.save(change)
    assert store.load(second.id) == RunRecord(second, None, ())
    assert keys(store, second) == []


def test_a_lease_that_is_held_may_be_saved_again_at_full_capacity(store: Store) -> None:
    run = created(store)
    lease = make_lease(run.id, capacity=1)
    run = rented(store, run, lease)
    ready = replace(lease, ready_at=NOON + minutes(1))
    store.save(RunChange(run, ready))
    assert store.load(run.id).lease == ready


def test_a_closed_lease_frees_its_place(store: Store) -> None:
    first, second = created(store, 1), created(store, 2)
    lease = make_lease(first.id, capacity=1)
    first = rented(store, first, lease)
    store.save(RunChange(first, replace(lease, closed_at=NOON + minutes(9))))
    rented(store, second, make_lease(second.id, capacity=1))
    assert [record.run.id for record in store.open_leases()] == [second.id]


def test_capacity_is_counted_for_each_kind_of_machine_alone_and_unknown_capacity_has_no_end(store: Store) -> None:
    for number, (machine, capacity) in enumerate([("box", 1), ("rack", 1), ("cloud", None), ("cloud", None)]):
        run = created(store, number)
        rented(store, run, make_lease(run.id, machine=machine, capacity=capacity))
    assert len(store.open_leases()) == 4


def test_the_record_holds_the_current_lease(store: Store) -> None:
    run = created(store)
    lost = make_lease(run.id, 1)
    run = rented(store, run, lost)
    run = store.save(RunChange(run, replace(lost, closed_at=NOON)))
    assert store.load(run.id).lease == replace(lost, closed_at=NOON)
    run = rented(store, run, make_lease(run.id, 2))
    assert store.load(run.id).lease == make_lease(run.id, 2)
    assert store.lease(lost.id).closed_at == NOON
    assert [record.lease for record in store.runs(RunQuery()).runs] == [make_lease(run.id, 2)]


def test_open_leases_names_every_lease_that_is_not_closed_with_its_run(store: Store) -> None:
    runs = [created(store, number) for number in range(3)]
    held = [rented(store, run, make_lease(run.id)) for run in runs]
    granted = make_posting(held[0].id)
    held[0] = store.save(RunChange(held[0], None, (granted,)))
    held[1] = store.save(RunChange(held[1], replace(make_lease(held[1].id), closed_at=NOON)))
    # A second lease while the first is open: the first costs money still and must be named.
    held[2] = rented(store, held[2], make_lease(held[2].id, 2))
    assert store.open_leases() == (
        RunRecord(held[0], make_lease(held[0].id), (granted,)),
        RunRecord(held[2], make_lease(held[2].id, 1), ()),
        RunRecord(held[2], make_lease(held[2].id, 2), ()),
    )


def test_the_journal_is_read_in_order_from_a_place_and_by_kind(store: Store) -> None:
    run, other = created(store, 1), created(store, 2)
    kinds = [EntryKind.METRIC, EntryKind.STATUS, EntryKind.METRIC, EntryKind.NOTE]
    for index, kind in enumerate(kinds * 2):
        run = store.save(RunChange(run, None, (), (make_entry(run.id, f"k{index}", kind),)))
        other = store.save(RunChange(other, None, (), (make_entry(other.id, f"o{index}"),)))
    entries = store.journal(run.id, 0, 100)
    seqs = [stored.seq for stored in entries]
    assert seqs == sorted(set(seqs))
    assert seqs[0] > 0
    assert [stored.entry.key for stored in entries] == [f"k{index}" for index in range(8)]
    assert store.journal(run.id, seqs[2], 3) == entries[3:6]
    assert store.journal(run.id, seqs[-1], 3) == ()
    chosen = store.journal(run.id, seqs[0], 2, frozenset({EntryKind.METRIC, EntryKind.NOTE}))
    assert chosen == (entries[2], entries[3])
    assert store.journal(run.id, 0, 5, frozenset()) == ()


def test_due_names_the_runs_to_wake_oldest_first(store: Store) -> None:
    created(store, 1, wake_at=NOON + minutes(2))
    created(store, 2, wake_at=NOON)
    created(store, 3, wake_at=NOON + minutes(1))
    created(store, 4, wake_at=NOON + minutes(2) + timedelta(microseconds=1))
    created(store, 5, wake_at=NOON, status=RunStatus.ENDED)
    expected = tuple(make_run(number).id for number in (2, 3, 1))
    assert store.due(NOON + minutes(2), 10) == expected
    assert store.due(NOON + minutes(2), 2) == expected[:2]
    assert store.due(NOON - minutes(1), 10) == ()


def test_runs_that_hold_a_machine_are_due_before_any_queue_that_waits_for_it(store: Store) -> None:
    for number in range(1, 6):
        created(store, number, wake_at=NOON)
    created(store, 6, wake_at=NOON + minutes(1), status=RunStatus.RELEASING)
    assert store.due(NOON + minutes(1), 3)[0] == make_run(6).id


def test_a_run_without_an_hour_to_wake_is_due_at_once_rather_than_never(store: Store) -> None:
    created(store, 1, wake_at=NOON - minutes(1))
    created(store, 2, wake_at=None)
    created(store, 3, wake_at=None, status=RunStatus.ENDED)
    assert store.due(NOON, 10) == (make_run(2).id, make_run(1).id)


def test_pages_are_newest_first_and_stay_stable_while_runs_are_made(store: Store) -> None:
    for number in range(5):
        created(store, number)
    created(store, 5, created_at=make_run(4).created_at)  # a tie
    page = store.runs(RunQuery(limit=2))
    seen = [record.run.id for record in page.runs]
    newer = 100
    while page.next_after is not None:
        created(store, newer)
        newer += 1
        page = store.runs(RunQuery(limit=2, after=page.next_after))
        seen += [record.run.id for record in page.runs]
    assert seen == [make_run(number).id for number in (5, 4, 3, 2, 1, 0)]


def test_pages_keep_to_their_filters_and_bring_each_runs_parts(store: Store) -> None:
    for number in range(6):
        strategy = "galore" if number % 2 else "dora"
        run = created(store, number, strategy=strategy, status=RunStatus.ENDED if number > 3 else RunStatus.QUEUED)
        run = rented(store, run, make_lease(run.id))
        store.save(RunChange(run, None, (make_posting(run.id),)))
    page = store.runs(RunQuery(limit=1, strategy="galore", status=RunStatus.QUEUED))
    assert page.runs == (store.load(make_run(3).id),)
    assert page.next_after == make_run(3).id
    rest = store.runs(RunQuery(limit=1, strategy="galore", status=RunStatus.QUEUED, after=page.next_after))
    assert rest.runs == (store.load(make_run(1).id),)
    assert rest.next_after is None
    with pytest.raises(NotFoundError):
        store.runs(RunQuery(after=RunId("run_000000000099")))


def test_beats_keep_the_last_sign_of_life_of_each_part(store: Store) -> None:
    assert store.beats() == {}
    for part, moment in (("guard", 1), ("sweep", 2), ("guard", 5), ("guard", 3)):
        store.beat(part, NOON + minutes(moment))
    assert store.beats() == {"guard": NOON + minutes(5), "sweep": NOON + minutes(2)}
