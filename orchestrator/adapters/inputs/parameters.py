"""How many parameters a model has: counted from its weights' headers, or guessed from its name."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from orchestrator.domain.errors import InvalidInputError

INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"
MOST_HEADER_BYTES = 100 << 20
"""The format's own limit on a header."""
MOST_ELEMENTS = 10**15
"""Of one tensor; the largest models that are published have 10**12 in all."""
MOST_INDEX_BYTES = 64 << 20
_SIZE = re.compile(r"(?<![A-Za-z0-9.])(\d+(?:\.\d+)?)([MB])(?![A-Za-z0-9])", re.IGNORECASE)


def guess_from_name(name: str) -> int | None:
    """The size that a name such as `SmolLM2-135M` or `Llama-3.1-8B` tells, None when it tells none.

    Mixtures (`8x7B`) and active sizes (`A3B`) tell something else and are not taken for the whole.
    """
    size = _SIZE.search(name.rpartition("/")[2])
    if size is None:
        return None
    return round(float(size[1]) * (1e9 if size[2] in "bB" else 1e6))


def count_parameters(folder: Path) -> int | None:
    """The exact number of stored parameters in a model's folder; None when its weights are in no safetensors file.

    Reads headers, never weights. `InvalidInputError` naming `model` for files that are missing or broken.
    """
    files = _weight_files(folder)
    return sum(_count_in(folder / name) for name in files) if files else None


def _weight_files(folder: Path) -> list[str]:
    index = folder / INDEX
    if not index.is_file():
        return [SINGLE] if (folder / SINGLE).is_file() else []
    weight_map = _json_object(_bounded(index, MOST_INDEX_BYTES), INDEX).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise InvalidInputError.of("model", f"{INDEX} has no weight_map")
    names = {str(name) for name in weight_map.values()}
    for name in sorted(names):
        if "/" in name or not (folder / name).is_file():
            raise InvalidInputError.of("model", f"{INDEX} names {name[:100]}, which is not there")
    return sorted(names)


def _count_in(path: Path) -> int:
    header = _json_object(_header(path), path.name)
    return sum(_elements(tensor, path.name) for name, tensor in header.items() if name != "__metadata__")


def _header(path: Path) -> bytes:
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if length > min(MOST_HEADER_BYTES, path.stat().st_size - 8):
            raise InvalidInputError.of("model", f"{path.name} is cut off, or no safetensors file")
        return stream.read(length)


def _elements(tensor: object, name: str) -> int:
    shape = tensor.get("shape") if isinstance(tensor, Mapping) else None
    if not isinstance(shape, list) or not all(type(size) is int and size >= 0 for size in shape):
        raise InvalidInputError.of("model", f"{name} has a tensor without a shape")
    elements = 1
    for size in shape:
        # Step by step: the whole product of a stranger's numbers may have millions of digits.
        elements *= size
        if elements > MOST_ELEMENTS:
            raise InvalidInputError.of("model", f"{name} claims a tensor of more than {MOST_ELEMENTS:.0e} elements")
    return elements


def _bounded(path: Path, most: int) -> bytes:
    if path.stat().st_size > most:
        raise InvalidInputError.of("model", f"{path.name} is larger than {most >> 20} MiB")
    return path.read_bytes()


def _json_object(raw: bytes, name: str) -> dict[str, object]:
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise InvalidInputError.of("model", f"{name} cannot be read")
    return value
