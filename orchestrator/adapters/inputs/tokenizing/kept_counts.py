"""Counts that were made, in memory and on disk: a dataset is tokenised once for a model and not for every quote."""

from __future__ import annotations

import json
import os
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")


class Recent(Generic[T]):
    """The last `most` values by their keys, for several threads."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._values: OrderedDict[object, T] = OrderedDict()
        self._lock = Lock()

    def get(self, key: object) -> T | None:
        with self._lock:
            if key not in self._values:
                return None
            self._values.move_to_end(key)
            return self._values[key]

    def put(self, key: object, value: T) -> None:
        with self._lock:
            self._values[key] = value
            self._values.move_to_end(key)
            if len(self._values) > self._most:
                self._values.popitem(last=False)


class KeptDocuments(Generic[T]):
    """JSON documents in `folder`, the newest `most` of them; what cannot be read or written is not kept. None for no
    folder."""

    def __init__(
        self, folder: Path | None, write: Callable[[T], object], read: Callable[[object], T], most: int = 200
    ) -> None:
        self._folder, self._write, self._read, self._most = folder, write, read, most

    def get(self, key: str) -> T | None:
        if self._folder is None:
            return None
        try:
            return self._read(json.loads((self._folder / f"{key}.json").read_bytes()))
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def put(self, key: str, value: T) -> None:
        if self._folder is None:
            return
        temporary = self._folder / f".{key}.{os.getpid()}"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            temporary.write_text(json.dumps(self._write(value)))
            temporary.replace(self._folder / f"{key}.json")
            self._thin_out(self._folder)
        except OSError:
            temporary.unlink(missing_ok=True)

    def _thin_out(self, folder: Path) -> None:
        found = sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
        for path in found[: -self._most]:
            path.unlink(missing_ok=True)
