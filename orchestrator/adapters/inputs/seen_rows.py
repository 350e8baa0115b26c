"""What was found out about files of rows, so that a file that stays as it is is read once and not for every quote."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from threading import Lock

from orchestrator.adapters.inputs.datasets import RowFile, read_rows
from orchestrator.domain.errors import InvalidInputError

MOST_SEEN = 64

_Key = tuple[object, ...]
_Found = RowFile | InvalidInputError


class SeenRows:
    """The last `MOST_SEEN` answers, refusals among them: a file that is refused may be the one that takes minutes."""

    def __init__(self) -> None:
        self._seen: OrderedDict[_Key, _Found] = OrderedDict()
        self._lock = Lock()

    def read(self, path: Path, field: str, allowed: tuple[str, ...]) -> RowFile:
        """As `read_rows`, for a real path."""
        key = _key(path, field, allowed)
        with self._lock:
            found = None if key is None else self._seen.get(key)
        if found is None:
            found = _read(path, field, allowed)
            # A file that was written to meanwhile is neither what it was nor surely what it is.
            if key is not None and key == _key(path, field, allowed):
                self._keep(key, found)
        if isinstance(found, InvalidInputError):
            raise InvalidInputError(found.problems)
        return found

    def _keep(self, key: _Key, found: _Found) -> None:
        with self._lock:
            self._seen[key] = found
            if len(self._seen) > MOST_SEEN:
                self._seen.popitem(last=False)


def _read(path: Path, field: str, allowed: tuple[str, ...]) -> _Found:
    try:
        return read_rows(path, field, allowed)
    except InvalidInputError as error:
        return error


def _key(path: Path, field: str, allowed: tuple[str, ...]) -> _Key | None:
    try:
        facts = path.stat()
    except OSError:
        return None
    # The time of the last change, too: the other one can be set to what it was.
    return (path, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_ino, facts.st_dev, field, allowed)
