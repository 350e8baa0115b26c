"""The folders that inputs may come from."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from orchestrator.domain.errors import InvalidInputError

MOST_ENTRIES = 10_000
"""Of a folder and all that is below it."""


class PermittedFolders:
    """Finds inputs inside `roots`, and nowhere else; a relative name is looked for in each of them, in order.

    What lies outside is refused in the same words whether it exists or not: the answer shows nothing of the disk.
    """

    def __init__(self, roots: Sequence[Path]) -> None:
        self._roots = tuple(root.resolve() for root in roots)

    def find(self, name: str, field: str) -> Path | None:
        """The real path that `name` stands for, None when nothing is there.

        `InvalidInputError` naming `field` for a path outside the roots, also where a link leads out of them.
        """
        if not name or "\0" in name:
            raise InvalidInputError.of(field, "is not a path")
        candidates = [path for path in self._candidates(name) if self._permits(path)]
        if not candidates and (Path(name).is_absolute() or ".." in Path(name).parts):
            raise self._outside(field)
        for path in candidates:
            try:
                real = path.resolve(strict=True)
            except (OSError, RuntimeError):
                continue
            if not self._permits(real):
                raise self._outside(field)
            return real
        return None

    def refuse_ways_out(self, folder: Path, field: str) -> None:
        """`InvalidInputError` when a link anywhere below `folder` leads out of the roots, or there is no end to it."""
        entries, waiting, seen = 0, [folder], {folder}
        while waiting:
            for entry in _entries(waiting.pop(), field):
                entries += 1
                if entries > MOST_ENTRIES:
                    raise InvalidInputError.of(field, f"holds more than {MOST_ENTRIES} files")
                # Only a link can lead elsewhere: resolving every path would cost a look at each of its parts.
                path = Path(entry.path)
                real = _resolved(path) if entry.is_symlink() else path
                if real is None or not self._permits(real):
                    raise InvalidInputError.of(field, f"holds a link out of the permitted folders: {entry.name[:100]}")
                if entry.is_dir() and real not in seen:
                    seen.add(real)
                    waiting.append(real)

    def _candidates(self, name: str) -> Iterator[Path]:
        """What `name` may mean, without `..`; links are not followed yet."""
        if Path(name).is_absolute():
            plain = Path(os.path.normpath(name))
            # The real path, too: a root itself may be reached through a link.
            yield from (plain, plain.parent.resolve() / plain.name)
        else:
            yield from (Path(os.path.normpath(root / name)) for root in self._roots)

    def _permits(self, path: Path) -> bool:
        return any(path.is_relative_to(root) for root in self._roots)

    def _outside(self, field: str) -> InvalidInputError:
        roots = ", ".join(str(root) for root in self._roots) or "none"
        return InvalidInputError.of(field, f"is outside the permitted folders ({roots})")


def _entries(folder: Path, field: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return sorted(islice(found, MOST_ENTRIES + 1), key=lambda entry: entry.name)
    except OSError as error:
        raise InvalidInputError.of(field, f"cannot be read: {error.strerror}") from error


def _resolved(path: Path) -> Path | None:
    """Where a link leads, None for one that leads round in a circle."""
    try:
        return path.resolve()
    except (OSError, RuntimeError):
        return None


def is_regular_file(path: Path) -> bool:
    """Whether it is a file and no folder, device or pipe."""
    return stat.S_ISREG(path.stat().st_mode)
