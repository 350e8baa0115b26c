"""Every promise of `orchestrator.ports.store`, on every adapter."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from orchestrator.domain.errors import ConflictError, LedgerError, NotFoundError, StaleVersionError
from orchestrator.domain.ids import LeaseId, RunId, StageId
from orchestrator.domain.journal import Entry, EntryKind
from orchestrator.domain.lease import Lease
from orchestrator.domain.ledger import Posting
from orchestrator.domain.run import Run
from orchestrator.domain.stages import Stage, StageKind
from orchestrator.ports.store import IdempotencyRecord, RunChange, RunQuery, RunRecord, Store
from tests.contract.store_adapters import StoreSite
from tests.contract.store_examples import (
    NOON,
    created,
    filled,
    keys,
    make_entry,
    make_lease,
    make_observation,
    make_posting,
    make_run,
    rented,
)

KEY = IdempotencyRecord("client-key", "digest-of-the-body")


def test_a_created_run_is_loaded_with_its_parts_at_the_next_version(store: Store) -> None:
    run = make_run(1)
    change = RunChange(run, None, (make_posting(run.id),), (make_entry(run.id, "hello", message="hi"),))
    made = store.create(change, None)
    assert made == replace(run, version=1)
    assert store.load(run.id) == RunRecord(made, None, change.postings)
    assert [stored.entry for stored in store.journal(run.id, 0, 10)] == list(change.entries)


def test_every_field_comes_back_equal(store: Store) -> None:
    run = replace(filled(Run), id=make_run(1).id)
    lease = replace(filled(Lease), run_id=run.id)
    run = replace(run, lease_id=lease.id)
    posting = replace(filled(Posting), run_id=run.id, lease_id=lease.id)
    entry = replace(filled(Entry), run_id=run.id)
    made = store.create(RunChange(run, lease, (posting,), (entry,)), KEY)
    assert made == replace(run, version=run.version + 1)
    assert store.load(run.id) == RunRecord(made, lease, (posting,))
    assert store.lease(lease.id) == lease
    assert [stored.entry for stored in store.journal(run.id, 0, 10)] == [entry]


def test_times_come_back_timezone_aware_and_to_the_microsecond(store: Store) -> None:
    run = make_run(1)
    entry = make_entry(run.id, "now")
    store.create(RunChange(run, None, (make_posting(run.id),), (entry,)), None)
    store.beat("api", NOON)
    record = store.load(run.id)
    times = [
        record.run.created_at,
        record.postings[0].at,
        store.beats()["api"],
        store.journal(run.id, 0, 1)[0].entry.at,
    ]
    assert [time.utcoffset() for time in times] == [timedelta(0)] * 4
    assert times == [run.created_at, NOON, NOON, NOON]
    assert times[0].microsecond == 123456


def test_a_refused_creation_leaves_nothing(store: Store) -> None:
    run = make_run(1)
    twice = (make_posting(run.id), make_posting(run.id))
    with pytest.raises(LedgerError):
        store.create(RunChange(run, None, twice, (make_entry(run.id, "e"),)), KEY)
    with pytest.raises(NotFoundError):
        store.load(run.id)
    assert keys(store, run) == []
    assert store.create(RunChange(make_run(2)), KEY).id == make_run(2).id, "the key was not used up"


def test_a_known_key_with_the_same_digest_returns_the_run_made_first(store: Store) -> None:
    first = store.create(RunChange(make_run(1)), KEY)
    moved = store.save(RunChange(replace(first, reason="moved on")))
    assert store.create(RunChange(make_run(2)), KEY) == moved
    with pytest.raises(NotFoundError):
        store.load(make_run(2).id)


def test_a_known_key_with_another_digest_is_refused(store: Store) -> None:
    store.create(RunChange(make_run(1)), KEY)
    with pytest.raises(ConflictError):
        store.create(RunChange(make_run(2)), replace(KEY, digest="of another body"))
    with pytest.raises(NotFoundError):
        store.load(make_run(2).id)


def test_a_run_is_created_once(store: Store) -> None:
    run = created(store)
    with pytest.raises(ConflictError):
        store.create(RunChange(make_run(1, reason="another")), None)
    assert store.load(run.id).run == run


def test_a_save_counts_the_version_up(store: Store) -> None:
    run = created(store)
    saved = store.save(RunChange(replace(run, reason="because")))
    assert saved == replace(run, reason="because", version=run.version + 1)
    assert store.load(run.id).run == saved


def test_a_save_of_an_older_version_applies_nothing(store: Store) -> None:
    run = created(store)
    saved = store.save(RunChange(replace(run, reason="first")))
    late = replace(run, reason="second")
    with pytest.raises(StaleVersionError):
        store.save(RunChange(late, make_lease(run.id), (make_posting(run.id),), (make_entry(run.id, "late"),)))
    assert store.load(run.id) == RunRecord(saved, None, ())
    assert keys(store, run) == []
    assert store.open_leases() == ()


def test_what_was_never_made_is_not_found(store: Store) -> None:
    with pytest.raises(NotFoundError):
        store.load(RunId("run_000000000009"))
    with pytest.raises(NotFoundError):
        store.save(RunChange(make_run(9)))
    with pytest.raises(NotFoundError):
        store.lease(LeaseId("lf-000000000009-1"))


def test_a_posting_key_that_exists_is_refused_with_all_of_its_change(store: Store) -> None:
    run = make_run(1)
    granted = make_posting(run.id)
    made = store.create(RunChange(run, None, (granted,)), None)
    lease = make_lease(run.id)
    postings = (make_posting(run.id, "reserve:1", lease.id), replace(granted, note="again"))
    with pytest.raises(LedgerError):
        store.save(RunChange(replace(made, reason="new"), lease, postings, (make_entry(run.id, "e"),)))
    assert store.load(run.id) == RunRecord(made, None, (granted,))
    assert keys(store, run) == []
    assert store.open_leases() == ()


def test_two_runs_may_use_the_same_keys(store: Store) -> None:
    for number in (1, 2):
        run = make_run(number)
        store.create(RunChange(run, None, (make_posting(run.id),), (make_entry(run.id, "e"),)), None)
        assert len(store.load(run.id).postings) == 1
        assert keys(store, run) == ["e"]


def test_a_posting_to_a_lease_that_the_run_does_not_have_is_refused(store: Store) -> None:
    run, other = created(store, 1), created(store, 2)
    rented(store, other, make_lease(other.id))
    for lease in (LeaseId("lf-000000000001-1"), make_lease(other.id).id):
        with pytest.raises(LedgerError):
            store.save(RunChange(run, None, (make_posting(run.id, "reserve", lease),)))
    assert store.load(run.id) == RunRecord(run, None, ())


def test_a_change_of_one_run_cannot_write_to_another(store: Store) -> None:
    run, other = created(store, 1), created(store, 2)
    for stray in (
        RunChange(run, make_lease(other.id)),
        RunChange(run, None, (make_posting(other.id),)),
        RunChange(run, None, (), (make_entry(other.id, "e"),)),
    ):
        with pytest.raises(ConflictError):
            store.save(stray)
    assert store.load(run.id).run == run
    assert store.load(other.id) == RunRecord(other, None, ())


def test_postings_come_back_in_the_order_of_their_saving(store: Store) -> None:
    run = created(store)
    names = [f"{letter}{number}" for number in range(3) for letter in "zay"]
    for start in range(0, 9, 3):
        batch = tuple(make_posting(run.id, name) for name in names[start : start + 3])
        run = store.save(RunChange(run, None, batch))
    assert [posting.key for posting in store.load(run.id).postings] == names


def test_an_entry_whose_key_exists_is_left_out_silently(store: Store) -> None:
    run = created(store)
    first = make_entry(run.id, "b", message="first")
    run = store.save(RunChange(run, None, (), (first, make_entry(run.id, "b", message="in the same change"))))
    late = make_entry(run.id, "b", message="later")
    store.save(RunChange(run, None, (), (make_entry(run.id, "c"), late, make_entry(run.id, "a"))))
    stored = store.journal(run.id, 0, 10)
    assert [found.entry.key for found in stored] == ["b", "c", "a"]
    assert stored[0].entry == first


def test_a_number_that_json_cannot_carry_becomes_null_and_loses_nothing_else(store: Store) -> None:
    run = created(store)
    entry = make_entry(run.id, "m", EntryKind.METRIC, loss=math.nan, norms=[math.inf, -math.inf, 1.5], step=3)
    store.save(RunChange(run, None, (), (entry,)))
    assert store.journal(run.id, 0, 1)[0].entry.data == {"loss": None, "norms": [None, None, 1.5], "step": 3}


def test_a_field_that_must_be_a_number_is_refused_when_it_is_none(store: Store) -> None:
    run = created(store)
    stage = Stage(StageId("01-train"), StageKind.TRAIN, 60, seconds_per_step=math.nan)
    with pytest.raises(ValueError, match="seconds_per_step"):
        store.save(RunChange(replace(run, stages=(stage,)), None, (make_posting(run.id),)))
    assert store.load(run.id) == RunRecord(run, None, ())


def test_a_caller_who_changes_what_was_saved_or_loaded_changes_nothing_in_the_store(store: Store) -> None:
    run = make_run(1)
    training, *others = run.spec.stages
    recipe = dict(training.recipe)
    data: dict[str, Any] = {"list": [1]}
    run = replace(run, spec=replace(run.spec, stages=(replace(training, recipe=recipe), *others)))
    store.create(RunChange(run, None, (), (Entry(run.id, EntryKind.NOTE, NOON, "k", data),)), None)
    recipe["learning_rate"] = "changed"
    data["list"].append(2)
    for _ in range(2):
        loaded, entry = store.load(run.id).run, store.journal(run.id, 0, 1)[0].entry
        assert loaded.spec.stages == make_run(1).spec.stages
        assert entry.data == {"list": [1]}
        loaded.spec.stages[0].recipe["learning_rate"] = "changed"  # type: ignore[index]
        entry.data["list"].append(3)  # type: ignore[union-attr]


def test_recall_knows_the_run_that_a_key_made_and_refuses_another_body(store: Store) -> None:
    assert store.recall(KEY) is None
    made = store.create(RunChange(make_run(1)), KEY)
    assert store.recall(KEY) == made
    with pytest.raises(ConflictError):
        store.recall(replace(KEY, digest="of another body"))


def test_what_one_store_saved_another_reads(site: StoreSite) -> None:
    run = created(site.open())
    assert site.open().load(run.id).run == run


def test_no_call_keeps_a_transaction_open(site: StoreSite) -> None:
    store = site.open()
    run = store.create(RunChange(make_run(1)), KEY)
    calls = {
        "create": lambda: store.create(RunChange(make_run(2)), KEY),
        "recall": lambda: store.recall(KEY),
        "load": lambda: store.load(run.id),
        "save": lambda: store.save(RunChange(run, make_lease(run.id), (), (make_entry(run.id, "e"),))),
        "stale": lambda: store.save(RunChange(run)),
        "runs": lambda: store.runs(RunQuery()),
        "due": lambda: store.due(NOON, 1),
        "due_publications": lambda: store.due_publications(NOON, 1),
        "newest_baseline": lambda: store.newest_baseline("key"),
        "lease": lambda: store.lease(make_lease(run.id).id),
        "no lease": lambda: store.lease(LeaseId("lf-000000000009-1")),
        "open_leases": store.open_leases,
        "journal": lambda: store.journal(run.id, 0, 1),
        "beat": lambda: store.beat("api", NOON),
        "beats": store.beats,
        "record_observation": lambda: store.record_observation(make_observation(run.id)),
        "observations": lambda: store.observations(1),
    }
    promised = {name for name in vars(Store) if not name.startswith("_")}
    assert promised <= set(calls)
    refused = set()
    for name, call in calls.items():
        try:
            call()
        except (StaleVersionError, NotFoundError):
            refused.add(name)
        assert not site.holds_transaction(), name
    assert refused == {"stale", "no lease"}


def test_the_examples_fill_every_field() -> None:
    assert all(getattr(filled(Run), field.name) != field.default for field in dataclasses.fields(Run))
