"""The YAML files of a folder of harness tasks: regular ones within it, in bounded number, size and depth.

A user's folder is input. Aliases are refused, since a few lines of them expand without bound; what a file includes is
parsed once, however often it is included.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

MOST_FILE_BYTES = 256 << 10
MOST_BYTES = 4 << 20
"""Of all files of a folder together: a parser of YAML takes its seconds for a megabyte."""
MOST_FILES = 1000
MOST_ENTRIES = 10_000
MOST_INCLUDES = 50
MOST_DEPTH = 8
MOST_KEYS = 200
SUFFIXES = (".yaml", ".yml")


class HarnessError(Exception):
    """A task that is missing or that must not be run; the message names the file and what is wrong with it."""


class _PlainLoader(yaml.SafeLoader):
    """Not the harness's loader: this one knows no tag that runs anything, and no aliases."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        if getattr(event, "anchor", None) is not None:
            raise yaml.composer.ComposerError(None, None, "anchors and aliases are not read", event.start_mark)
        return super().compose_node(parent, index)


class TaskFiles:
    """The files below `root`, which is a real path."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._bytes = 0
        self._documents: dict[Path, dict[str, Any]] = {}

    def paths(self) -> list[Path]:
        """All YAML files, in order. Raises HarnessError when there are too many."""
        found = sorted(self._walked())
        if len(found) > MOST_FILES:
            raise HarnessError(f"{self._root} holds more than {MOST_FILES} YAML files")
        return found

    def config(self, path: Path) -> dict[str, Any]:
        """One file, over the files that it includes; its own keys win."""
        return self._merged(path, [], 0)

    def _walked(self) -> Iterator[Path]:
        entries = 0
        for folder, folders, files in os.walk(self._root):
            entries += len(folders) + len(files)
            if entries > MOST_ENTRIES:
                raise HarnessError(f"{self._root} holds more than {MOST_ENTRIES} files")
            for name in files:
                if name.endswith(SUFFIXES):
                    yield Path(folder) / name

    def _merged(self, path: Path, seen: list[Path], depth: int) -> dict[str, Any]:
        seen.append(path)
        if len(seen) > MOST_INCLUDES:
            raise HarnessError(f"{path}: more than {MOST_INCLUDES} includes")
        document = dict(self._document(path))
        included: dict[str, Any] = {}
        for name in listed(document.pop("include", [])):
            if depth == MOST_DEPTH:
                raise HarnessError(f"{path}: includes are nested too deep")
            included = {**self._merged(inside(path, self._root, name), seen, depth + 1), **included}
        return {**included, **document}

    def _document(self, path: Path) -> dict[str, Any]:
        if path not in self._documents:
            document = _parsed(path, self._text(path))
            if len(document) > MOST_KEYS:
                raise HarnessError(f"{path}: has more than {MOST_KEYS} keys")
            self._documents[path] = document
        return self._documents[path]

    def _text(self, path: Path) -> str:
        real = inside(path, self._root, path.name)
        # Without waiting: what was a file a moment ago may be a pipe by now.
        with open(os.open(real, os.O_RDONLY | os.O_NONBLOCK), "rb") as stream:  # noqa: PTH123 - of a descriptor
            raw = stream.read(MOST_FILE_BYTES + 1) if stat.S_ISREG(os.fstat(stream.fileno()).st_mode) else b""
        self._bytes += len(raw)
        if len(raw) > MOST_FILE_BYTES or self._bytes > MOST_BYTES:
            raise HarnessError(
                f"{path}: is too large; {MOST_FILE_BYTES >> 10} KiB a file, {MOST_BYTES >> 20} MiB in all"
            )
        return raw.decode()


def _parsed(path: Path, text: str) -> dict[str, Any]:
    try:
        document = yaml.load(text, Loader=_PlainLoader)  # noqa: S506 - a safe loader that reads even less
    except yaml.constructor.ConstructorError as error:
        raise HarnessError(
            f"{_place(path, error)}: {error.problem}; tasks may not hold code such as !function"
        ) from None
    except yaml.MarkedYAMLError as error:
        raise HarnessError(f"{_place(path, error)}: {error.problem}") from None
    except yaml.YAMLError:
        raise HarnessError(f"{path}: is no YAML") from None
    return document if isinstance(document, dict) else {}


def _place(path: Path, error: yaml.MarkedYAMLError) -> str:
    return f"{path}:{error.problem_mark.line + 1 if error.problem_mark else 0}"


def inside(path: Path, root: Path, name: object) -> Path:
    """The real file `name`, relative to that of the task; it must exist within the tasks' folder, and be no pipe."""
    file = (path.parent / str(name)).resolve()
    if not file.is_relative_to(root) or not file.is_file():
        raise HarnessError(f"{path}: {str(name)[:200]} is not a file within {root}")
    return file


def listed(value: object) -> list[object]:
    return list(value) if isinstance(value, list) else [value]
