"""A model's `config.json`, read value by value: what makes no sense is refused before anything is computed from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.domain.errors import InvalidInputError

MOST_SIZE = 1 << 24
"""Of any width, vocabulary or number of experts. The largest that are published stay below 2**20."""
MOST_LAYERS = 1 << 10
MOST_CONTEXT = 1 << 40
MOST_PARAMETERS = 10**15
"""Of a whole model; the largest that are published have 10**12."""
_ABSENT = object()


def refused(key: str, what: str) -> InvalidInputError:
    """The error about one key of a config."""
    return InvalidInputError.of("model", f"its config.json: {key} {what}")


@dataclass(frozen=True, slots=True)
class ConfigValues:
    """The keys of one `config.json`, of the model `name`. Every method raises `InvalidInputError` naming `model` and
    the key for a value of the wrong kind or beyond its limits. Where several keys are named, the first one that is
    there counts; a default of None means that the key must be there."""

    name: str
    model_type: str
    keys: Mapping[str, object]

    def size(self, *names: str, default: int | None = None, most: int = MOST_SIZE, least: int = 1) -> int:
        """A whole number; null counts as absent."""
        for key in names:
            value = self.keys.get(key)
            if value is not None:
                return _whole(key, value, least, most)
        if default is None:
            raise refused(names[0], "is missing")
        return default

    def maybe(self, *names: str, default: int | None = None, most: int = MOST_SIZE, least: int = 1) -> int | None:
        """A whole number or None, where null says None and absence the default."""
        for key in names:
            value = self.keys.get(key, _ABSENT)
            if value is not _ABSENT:
                return None if value is None else _whole(key, value, least, most)
        return default

    def layers(self, *names: str, default: int | None = None) -> int:
        return self.size(*names, default=default, most=MOST_LAYERS)

    def context(self, *names: str, default: int | None = None) -> int | None:
        return self.maybe(*names, default=default, most=MOST_CONTEXT)

    def flag(self, key: str, default: bool) -> bool:
        value = self.keys.get(key)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise refused(key, f"is {_shown(value)}, not true or false")
        return value

    def numbers(self, key: str) -> tuple[int, ...] | None:
        """A list of numbers of layers, from 0; None when it is not there."""
        value = self.keys.get(key)
        if value is None:
            return None
        if not isinstance(value, list | tuple) or len(value) > MOST_LAYERS:
            raise refused(key, f"is not a list of at most {MOST_LAYERS} numbers")
        return tuple(_whole(key, each, 0, MOST_LAYERS) for each in value)

    def words(self, key: str, length: int) -> tuple[str, ...] | None:
        """A list of one word for each of `length` layers; None when it is not there."""
        value = self.keys.get(key)
        if value is None:
            return None
        if not isinstance(value, list | tuple) or len(value) != length:
            raise refused(key, f"is not a list of {length}, one for each layer")
        if not all(isinstance(each, str) for each in value):
            raise refused(key, "holds something that is no word")
        return tuple(value)

    def heads(self, default: int | None, *names: str, hidden: int | None) -> int:
        """How many attention heads share `hidden`, evenly; None where that need not be."""
        names = names or ("num_attention_heads",)
        heads = self.size(*names, default=default)
        if hidden is not None and hidden % heads:
            raise refused(names[0], f"is {heads}, which does not divide the hidden size {hidden}")
        return heads

    def kv_heads(self, heads: int, default: int | None, *names: str) -> int:
        """How many heads of keys there are for `heads` of queries: as many where the config says nothing."""
        names = names or ("num_key_value_heads",)
        found = self.maybe(*names, default=default)
        kv_heads = heads if found is None else found
        if heads % kv_heads:
            raise refused(names[0], f"is {kv_heads}, which does not divide the {heads} attention heads")
        return kv_heads


def _whole(key: str, value: object, least: int, most: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise refused(key, f"is {_shown(value)}, not a whole number from {least} to {most}")
    return value


def _shown(value: object) -> str:
    """The value where that is short: a stranger's number may have a million digits, and be no pleasure to print."""
    if isinstance(value, int | float) and abs(value) < 10**20:
        return str(value)
    if isinstance(value, str):
        return repr(value[:40])
    return f"a {type(value).__name__}"
