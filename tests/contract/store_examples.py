"""Runs, leases, postings and entries for the store's contract."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from enum import Enum
from types import UnionType
from typing import Any, NewType, TypeVar, Union, get_args, get_origin, get_type_hints

from orchestrator.domain.budget import Allowances, Limit, Window
from orchestrator.domain.cost.calibration import Observation, Quantity
from orchestrator.domain.ids import LeaseId, RunId, lease_id
from orchestrator.domain.journal import Entry, EntryKind
from orchestrator.domain.json_value import JsonValue
from orchestrator.domain.lease import Lease
from orchestrator.domain.ledger import Posting, PostingKind
from orchestrator.domain.money import Money, Rate
from orchestrator.domain.offers import Offer
from orchestrator.domain.run import DatasetRef, Run, RunSpec
from orchestrator.domain.stages import StageKind, StageSpec
from orchestrator.ports.store import RunChange, Store

T = TypeVar("T")

NOON = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


def make_run(number: int, *, strategy: str = "dora", **fields: Any) -> Run:
    """A fresh run; a higher `number` is a newer run."""
    dataset = DatasetRef("rows.jsonl", "alpaca", 100, 10)
    training = StageSpec(StageKind.TRAIN, "LoRA", ("lora",), {"learning_rate": 2e-4, "tags": ["a", None]})
    spec = RunSpec(strategy, "model", 1000, True, dataset, (training, StageSpec(StageKind.EVALUATE, "both")), 42)
    run = Run(RunId(f"run_{number:012d}"), spec, NOON + minutes(number))
    return dataclasses.replace(run, **fields)


def make_lease(run_id: RunId, ordinal: int = 1, *, machine: str = "box", capacity: int | None = None) -> Lease:
    offer = Offer(
        "local", "here", machine, "CPU", 1, False, Rate(3_600_000), 1, 1, date(2026, 1, 1), "a test", capacity
    )
    window = Window(NOON, 600, Money(600_000), Limit.BUDGET, Allowances(1, 2, 3))
    return Lease(lease_id(run_id, ordinal), run_id, offer, window, NOON)


def make_posting(run_id: RunId, key: str = "grant:cap", lease: LeaseId | None = None) -> Posting:
    kind = PostingKind.GRANT if lease is None else PostingKind.RESERVE
    return Posting(run_id, kind, Money(5_000_000), NOON, key, lease)


def make_entry(run_id: RunId, key: str, kind: EntryKind = EntryKind.NOTE, **data: JsonValue) -> Entry:
    return Entry(run_id, kind, NOON, key, data)


def make_observation(run_id: RunId, **fields: Any) -> Observation:
    whole = Observation(
        run_id, 0, 1, NOON, "axolotl", "H200", 1, "lora", "bf16", "owner/model", Quantity.SECONDS_PER_STEP,
        predicted=1.0, predicted_low=0.8, predicted_high=1.25, actual=1.1,
    )  # fmt: skip
    return dataclasses.replace(whole, **fields)


def created(store: Store, number: int = 1, **fields: Any) -> Run:
    return store.create(RunChange(make_run(number, **fields)), None)


def rented(store: Store, run: Run, lease: Lease) -> Run:
    return store.save(RunChange(dataclasses.replace(run, lease_id=lease.id), lease))


def keys(store: Store, run: Run) -> list[str]:
    return [stored.entry.key for stored in store.journal(run.id, 0, 1000)]


def filled(kind: type[T]) -> T:
    """An instance of the dataclass with every field, to any depth, set to something that is not its default.

    Fields that the domain gains later are filled as well, so nothing can be left out of the round trip.
    """
    values: dict[str, Any] = {}
    hints = get_type_hints(kind, localns={"JsonValue": Any})
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]
        value = _example(hints[field.name])
        if value is field.default:
            value = not value
        assert value != field.default, f"{kind.__name__}.{field.name} is at its default"
        values[field.name] = value
    return kind(**values)


_FREE: JsonValue = {"text": "ünï\x00\U0001f600", "list": [1, 0.1, -1e300, None, True, {}], "big": 2**70}
_EXAMPLES: Mapping[Any, Any] = {
    Any: _FREE,
    bool: True,
    int: 1234567,
    float: 0.1 + 0.2,
    str: "a text with ' \" \\ % {} and ü",
    datetime: datetime(2026, 3, 29, 2, 30, 0, 1, tzinfo=timezone(timedelta(hours=5, minutes=30))),
    date: date(2026, 2, 28),
}


def _example(hint: Any) -> Any:
    if isinstance(hint, NewType):
        return _example(hint.__supertype__)
    if hint in _EXAMPLES:
        return _EXAMPLES[hint]
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in {Union, UnionType}:
        return _example(next(argument for argument in arguments if argument is not type(None)))
    if origin is tuple:
        return (_example(arguments[0]), _example(arguments[0]))
    if origin in {dict, Mapping}:
        return {_example(arguments[0]): _example(arguments[1])}
    return list(hint)[-1] if issubclass(hint, Enum) else filled(hint)
