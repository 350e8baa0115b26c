"""The codec between frozen dataclasses and JSON documents."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone
from enum import StrEnum
from typing import Any, NewType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.adapters.codec import DocumentError, decode, encode, encode_json
from orchestrator.domain.json_value import JsonValue

Name = NewType("Name", str)
MOMENT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True, slots=True)
class Inner:
    amount: int

    def __post_init__(self) -> None:
        if self.amount < 0:
            raise ValueError("must not be negative")


@dataclass(frozen=True, slots=True)
class Outer:
    name: Name
    at: datetime
    day: date
    ratio: float
    colour: Colour
    inner: Inner
    free: Mapping[str, JsonValue]
    many: tuple[Inner, ...] = ()
    counts: Mapping[Colour, int] = field(default_factory=dict)
    maybe: float | None = None
    either: int | str = 0
    child: Outer | None = None
    flag: bool = False
    results: tuple[dict[str, JsonValue], ...] = ()
    names: list[str] = field(default_factory=list)


SIMPLE = Outer(Name("n"), MOMENT, date(2026, 1, 2), 0.5, Colour.RED, Inner(1), {})

numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
free_json = st.recursive(
    st.none() | st.booleans() | numbers | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
moments = st.datetimes(
    min_value=datetime(1900, 1, 1),  # noqa: DTZ001 - hypothesis adds the timezone
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=-9, minutes=-30))]),
)
inners = st.builds(Inner, st.integers(min_value=0))
outers = st.recursive(
    st.none(),
    lambda child: st.builds(
        Outer,
        name=st.text().map(Name),
        at=moments,
        day=st.dates(),
        ratio=st.floats(allow_nan=False, allow_infinity=False),
        colour=st.sampled_from(Colour),
        inner=inners,
        free=st.dictionaries(st.text(), free_json, max_size=3),
        many=st.lists(inners, max_size=2).map(tuple),
        counts=st.dictionaries(st.sampled_from(Colour), st.integers()),
        maybe=st.none() | st.floats(allow_nan=False, allow_infinity=False),
        either=st.integers() | st.text(),
        child=child,
        flag=st.booleans(),
        results=st.lists(st.dictionaries(st.text(), free_json, max_size=2), max_size=2).map(tuple),
        names=st.lists(st.text(), max_size=2),
    ),
    max_leaves=2,
)


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(outers.filter(lambda value: value is not None))
def test_whatever_is_written_as_json_is_read_back_equal(value: Outer) -> None:
    document = json.loads(json.dumps(encode(Outer, value), allow_nan=False))
    again = decode(Outer, document)
    assert again == value
    assert type(again.many) is tuple
    assert again.at.utcoffset() == timedelta(0)
    assert encode(Outer, again) == document


def test_a_document_from_before_a_field_existed_takes_its_default() -> None:
    document = encode(Outer, SIMPLE)
    for name in ("many", "counts", "maybe", "either", "child", "flag", "results", "names"):
        del document[name]
    assert decode(Outer, document) == SIMPLE


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stray": 1}, "no field 'stray'"),
        ({"colour": "green"}, "^colour: 'green' is not a valid Colour"),
        ({"colour": 3}, "^colour: expected str, found int"),
        ({"ratio": True}, "^ratio: expected float, found bool"),
        ({"ratio": None}, "^ratio: expected float, found NoneType"),
        ({"at": "2026-01-02T03:04:05"}, "^at: a time without a timezone"),
        ({"at": "noon"}, "^at: Invalid isoformat"),
        ({"day": "2026-13-01"}, "^day: "),
        ({"inner": {"amount": "1"}}, "^inner.amount: expected int, found str"),
        ({"inner": {"amount": -1}}, "^inner: Inner refuses it: must not be negative"),
        ({"inner": {}}, "^inner: Inner needs the field 'amount'"),
        ({"inner": None}, "^inner: expected dict"),
        ({"many": [{"amount": 1}, {"amount": None}]}, "^many.1.amount: expected int, found NoneType"),
        ({"many": {}}, "^many: expected list, found dict"),
        ({"counts": {"red": 1.5}}, "^counts.red: expected int, found float"),
        ({"either": 1.5}, "^either: expected str, found float"),
        ({"flag": 1}, "^flag: expected bool, found int"),
        ({"child": {"name": "x"}}, "^child: Outer needs the field 'at'"),
    ],
)
def test_a_document_that_does_not_fit_is_refused_by_its_path(change: dict[str, Any], message: str) -> None:
    with pytest.raises(DocumentError, match=message):
        decode(Outer, encode(Outer, SIMPLE) | change)


@pytest.mark.parametrize(
    ("field_name", "value"),
    [
        ("at", datetime(2026, 1, 1)),  # noqa: DTZ001 - the point of the case
        ("day", MOMENT),
        ("ratio", math.nan),
        ("ratio", "0.5"),
        ("maybe", math.inf),
        ("colour", "red"),
        ("inner", None),
        ("many", [Inner(1)]),
        ("free", {"x": object()}),
        ("free", {1: "x"}),
        ("flag", 1),
    ],
)
def test_a_value_that_breaks_its_type_is_refused_before_it_is_written(field_name: str, value: object) -> None:
    broken = {name: getattr(SIMPLE, name) for name in Outer.__dataclass_fields__} | {field_name: value}
    with pytest.raises(DocumentError, match=f"^{field_name}"):
        encode(Outer, Outer(**broken))


def test_free_json_is_copied_with_null_for_what_json_cannot_carry() -> None:
    given_value = {"a": [math.nan, (1, Colour.RED)], "b": math.inf}
    plain = encode_json(given_value)
    assert plain == {"a": [None, [1, "red"]], "b": None}
    assert type(plain["a"][1][1]) is str  # type: ignore[index]
    assert plain is not given_value


@dataclass(frozen=True)
class Untold:
    value: Inner | Outer


@dataclass(frozen=True)
class Formless:
    value: complex


@pytest.mark.parametrize("kind", [Untold, Formless])
def test_a_type_that_could_not_be_read_back_is_refused_at_once(kind: type) -> None:
    with pytest.raises(TypeError):
        encode(kind, kind(Inner(1)))
