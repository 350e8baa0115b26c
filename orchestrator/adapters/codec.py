"""Frozen dataclasses to JSON documents and back, driven by their type hints. Both stores keep their documents so.

pydantic's `TypeAdapter` was tried first: it recurses without end on the recursive alias `JsonValue`. The rules:
- Reading is strict (an unknown field, a wrong type, a value outside an enum is refused, with its path), but a missing
  field that has a default takes it, so that documents written before the field existed still load.
- Writing checks as reading does: what was written can be read.
- Times are written in UTC and read back timezone-aware, to the microsecond.
- A number that JSON cannot carry (NaN, an infinity) becomes null inside free JSON (metrics, results, recipes), so
  that a diverged loss never loses the save; in a field typed `float` it is refused, since null could not be read.
"""

from __future__ import annotations

import dataclasses
import math
import types
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from enum import Enum
from functools import cache
from typing import Any, NamedTuple, NewType, TypeVar, Union, get_args, get_origin, get_type_hints

from orchestrator.domain.errors import LatticeForgeError
from orchestrator.domain.json_value import JsonValue

T = TypeVar("T")


class DocumentError(ValueError):
    """A value cannot be written as a document or a document cannot be read; the message starts with the path.

    Not a domain error: no input of a user leads here, only a defect or a database that someone else wrote to.
    """

    def __init__(self, problem: str, path: tuple[str, ...] = ()) -> None:
        self.problem = problem
        self.path = path
        super().__init__(f"{'.'.join(path)}: {problem}" if path else problem)

    def inside(self, name: str) -> DocumentError:
        """The same error, told from one level further out."""
        return DocumentError(self.problem, (name, *self.path))


def encode(kind: type[T], value: T) -> dict[str, Any]:
    """The JSON object of `value`, an instance of the dataclass `kind`; `DocumentError` if it breaks its own hints."""
    hint: Any = kind
    document: dict[str, Any] = _record(hint).encode(value)
    return document


def decode(kind: type[T], document: object) -> T:
    """The `kind` that `encode` wrote; `DocumentError` naming the path of what cannot be read."""
    hint: Any = kind
    value: T = _record(hint).decode(document)
    return value


def encode_json(value: object) -> JsonValue:
    """`value` as plain JSON, copied: mappings as dicts, sequences as lists, NaN and the infinities as null."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return encode_object(value)
    if isinstance(value, list | tuple):
        return [_inside(str(index), encode_json, item) for index, item in enumerate(value)]
    raise DocumentError(f"a {type(value).__name__} is not JSON")


def encode_object(data: Mapping[str, JsonValue]) -> dict[str, Any]:
    """`encode_json` of a mapping."""
    return {_checked(key, str): _inside(str(key), encode_json, item) for key, item in data.items()}


class _Form(NamedTuple):
    """How the values of one type hint are written and read."""

    encode: Callable[[Any], Any]
    decode: Callable[[Any], Any]


class _Field(NamedTuple):
    name: str
    form: _Form
    required: bool


def _inside(name: str, step: Callable[[Any], Any], value: object) -> Any:
    try:
        return step(value)
    except DocumentError as error:
        raise error.inside(name) from None


def _checked(value: object, *kinds: type) -> Any:
    # bool is an int to Python and never to us.
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        raise DocumentError(f"expected {kinds[0].__name__}, found {type(value).__name__}")
    return value


def _finite(value: object) -> float:
    number = float(_checked(value, float, int))
    if not math.isfinite(number):
        raise DocumentError(f"{number} is not a number that JSON can carry")
    return number


def _write_time(value: object) -> str:
    moment: datetime = _checked(value, datetime)
    if moment.utcoffset() is None:
        raise DocumentError("a time without a timezone")
    return moment.astimezone(UTC).isoformat()


def _write_date(value: object) -> str:
    if isinstance(value, datetime):
        raise DocumentError("expected date, found datetime")
    day: date = _checked(value, date)
    return day.isoformat()


def _read_time(value: object) -> datetime:
    moment = _parsed(datetime.fromisoformat, value)
    if moment.utcoffset() is None:
        raise DocumentError("a time without a timezone")
    return moment


def _parsed(parse: Callable[[str], T], value: object) -> T:
    try:
        return parse(_checked(value, str))
    except ValueError as error:
        raise DocumentError(str(error)) from None


def _plain(kind: type) -> _Form:
    return _Form(lambda value: _checked(value, kind), lambda value: _checked(value, kind))


_NONE = type(None)
_FREE = _Form(encode_json, encode_json)
_SCALARS: Mapping[object, _Form] = {
    Any: _FREE,
    _NONE: _plain(_NONE),
    bool: _plain(bool),
    int: _plain(int),
    str: _plain(str),
    float: _Form(_finite, _finite),
    datetime: _Form(_write_time, _read_time),
    date: _Form(_write_date, lambda value: _parsed(date.fromisoformat, value)),
}


@cache
def _form(hint: Any) -> _Form:
    """The form of any hint that the domain uses; `TypeError` for one that has none, at the first use of its class."""
    if isinstance(hint, NewType):
        return _form(hint.__supertype__)
    if hint in _SCALARS:
        return _SCALARS[hint]
    if isinstance(hint, type) and issubclass(hint, Enum):
        return _enum(hint)
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return _record(hint)
    generic = _GENERICS.get(get_origin(hint))
    if generic is None:
        raise TypeError(f"the codec has no form for {hint!r}")
    return generic(get_args(hint))


def _enum(kind: type[Enum]) -> _Form:
    def write(value: object) -> Any:
        member: Enum = _checked(value, kind)
        return member.value

    return _Form(write, lambda value: _parsed(kind, value))


@cache
def _record(kind: Any) -> _Form:
    """A dataclass; its fields are looked at on first use, so that a class may contain itself."""

    def write(value: object) -> dict[str, Any]:
        _checked(value, kind)
        return {field.name: _inside(field.name, field.form.encode, getattr(value, field.name)) for field in _of(kind)}

    def read(document: object) -> object:
        given: dict[str, Any] = _checked(document, dict)
        fields = _of(kind)
        if unknown := sorted(given.keys() - {field.name for field in fields}):
            raise DocumentError(f"{kind.__name__} has no field {unknown[0]!r}")
        if missing := [field.name for field in fields if field.required and field.name not in given]:
            raise DocumentError(f"{kind.__name__} needs the field {missing[0]!r}")
        present = [field for field in fields if field.name in given]
        values = {field.name: _inside(field.name, field.form.decode, given[field.name]) for field in present}
        try:
            return kind(**values)
        except (LatticeForgeError, ValueError) as error:
            raise DocumentError(f"{kind.__name__} refuses it: {error}") from error

    return _Form(write, read)


@cache
def _of(kind: type) -> tuple[_Field, ...]:
    # The recursive alias is taken by its name and read as "any JSON"; resolving it would never end.
    hints = get_type_hints(kind, localns={"JsonValue": Any})
    return tuple(
        _Field(
            field.name,
            _form(hints[field.name]),
            field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING,
        )
        for field in dataclasses.fields(kind)
        if field.init
    )


def _union(members: tuple[Any, ...]) -> _Form:
    """Tried in the order written; one dataclass at most, since a document does not say which class it was."""
    if sum(dataclasses.is_dataclass(member) for member in members) > 1:
        raise TypeError(f"the codec cannot tell {members!r} apart")
    forms = [_form(member) for member in members if member is not _NONE]

    def first(steps: list[Callable[[Any], Any]], value: object) -> Any:
        if value is None and _NONE in members:
            return None
        for step in steps[:-1]:
            try:
                return step(value)
            except DocumentError:
                continue
        return steps[-1](value)

    writers, readers = [form.encode for form in forms], [form.decode for form in forms]
    return _Form(lambda value: first(writers, value), lambda value: first(readers, value))


def _each(step: Callable[[Any], Any], kind: type, value: object) -> list[Any]:
    items: list[Any] = _checked(value, kind)
    return [_inside(str(index), step, item) for index, item in enumerate(items)]


def _list(arguments: tuple[Any, ...]) -> _Form:
    form = _form(arguments[0])
    return _Form(lambda value: _each(form.encode, list, value), lambda value: _each(form.decode, list, value))


def _tuple(arguments: tuple[Any, ...]) -> _Form:
    if len(arguments) != 2 or arguments[1] is not Ellipsis:
        raise TypeError("the codec takes tuples of one type and any length only")
    form = _form(arguments[0])
    return _Form(lambda value: _each(form.encode, tuple, value), lambda value: tuple(_each(form.decode, list, value)))


def _mapping(arguments: tuple[Any, ...]) -> _Form:
    key_form, item_form = map(_form, arguments)

    def write(value: object) -> dict[str, Any]:
        given: Mapping[Any, Any] = _checked(value, Mapping)
        return {key_form.encode(key): _inside(str(key), item_form.encode, item) for key, item in given.items()}

    def read(value: object) -> dict[Any, Any]:
        given: dict[str, Any] = _checked(value, dict)
        return {key_form.decode(key): _inside(key, item_form.decode, item) for key, item in given.items()}

    return _Form(write, read)


_GENERICS: Mapping[Any, Callable[[tuple[Any, ...]], _Form]] = {
    Union: _union,
    types.UnionType: _union,
    tuple: _tuple,
    list: _list,
    dict: _mapping,
    Mapping: _mapping,
}
