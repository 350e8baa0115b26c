"""The files of a store, by fsspec: a local folder, S3, Google Cloud Storage, or whatever speaks S3.

Credentials come from the environment alone, in the names that each store's own tools use, and are in no message.
"""

from __future__ import annotations

import hashlib
import os
import random
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from fsspec.callbacks import Callback

PIECE_BYTES = 8 << 20
"""A file up to twice this size is sent at once, a larger one in parts of it, PARTS_AT_ONCE at a time."""
PARTS_AT_ONCE = 4
MOST_PARTS = 9_000
"""S3 takes 10,000 parts; the parts of an enormous file are larger."""
SMALL_FILES_AT_ONCE = 8
RETRY_WAITS = (0.5, 1.0, 2.0, 4.0, 8.0)
CONNECT_SECONDS, ANSWER_SECONDS = 10, 60
SCHEMES = {"": "file", "file": "file", "s3": "s3", "gs": "gs", "gcs": "gs", "memory": "memory"}
SECRET_NAMES = re.compile(r"SECRET|TOKEN|PASSWORD|CREDENTIAL|KEY")

T = TypeVar("T")


class StoreError(Exception):
    """The store refused something, could not be reached in time, or holds what it should not.

    `temporary`: the same may go well a little later.
    """

    def __init__(self, message: str, *, temporary: bool = False) -> None:
        self.temporary = temporary
        super().__init__(without_secrets(message))


def without_secrets(text: str) -> str:
    """`text` with every secret of this process's environment blotted out."""
    for name, value in os.environ.items():
        if len(value) >= 8 and SECRET_NAMES.search(name.upper()):
            text = text.replace(value, "***")
    return text


class StoreFiles:
    """Reads and writes below one folder of a store. Paths are relative to it.

    What fails and may go well later is tried again, with growing waits, for as long as `left` (seconds) is positive.
    Every method raises StoreError.
    """

    def __init__(self, url: str, endpoint_url: str | None = None, left: Callable[[], float] = lambda: 600.0) -> None:
        self.url = url
        self._left = left
        self._fs, self._root = _opened(url, endpoint_url)

    def sizes(self, prefix: str) -> dict[str, int]:
        """Every file below `prefix`, by its path relative to that, with its size in bytes."""
        top = self._place(prefix)
        found = self._tried(f"listing {prefix}", lambda: self._fs.find(top, detail=True)) or {}
        below = top.strip("/") + "/"
        named = ((name.strip("/").removeprefix(below), facts) for name, facts in found.items())
        return {name: int(facts["size"]) for name, facts in named if facts["type"] == "file"}

    def read(self, path: str) -> bytes | None:
        """A small file's content; None when there is no such file."""
        place = self._place(path)
        content = self._tried(f"reading {path}", lambda: self._fs.cat_file(place), missing=True)
        return None if content is None else bytes(content)

    def write(self, path: str, content: bytes) -> None:
        """A small file, whole or not at all (on a local disk a reader may see a part of it)."""
        place = self._place(path)
        self._tried(f"writing {path}", lambda: self._fs.pipe_file(place, content))

    def send(self, sources: Mapping[str, Path]) -> None:
        """Local files to the paths that they are given under; many small ones at once, a large one in parts."""
        sizes = {path: source.stat().st_size for path, source in sources.items()}
        small = [path for path, size in sizes.items() if size <= PIECE_BYTES]
        self.at_once(small, lambda path: self._send(sources[path], path, sizes[path]))
        for path in sizes.keys() - set(small):
            self._send(sources[path], path, sizes[path])

    def fetch(self, path: str, target: Path, size: int) -> str:
        """The `size` bytes of a file into the new local file `target`; returns their SHA-256 in hex."""
        place, digest = self._place(path), hashlib.sha256()
        with target.open("wb") as stream:
            for start in range(0, max(size, 1), PIECE_BYTES):
                end = min(start + PIECE_BYTES, size)
                read = (
                    partial(self._fs.cat_file, place, start=start, end=end) if size else partial(self._fs.info, place)
                )
                piece = self._tried(f"fetching {path}", read)
                if size and piece is not None:
                    stream.write(piece)
                    digest.update(piece)
        return digest.hexdigest()

    def remove(self, paths: Iterable[str]) -> None:
        """Delete files; those that are not there are no error."""
        self.at_once(list(paths), self._remove)

    def _send(self, source: Path, path: str, size: int) -> None:
        place, options = self._place(path), {}
        if "s3" in _protocols(self._fs):
            options = {"max_concurrency": PARTS_AT_ONCE}
        if "file" not in _protocols(self._fs):
            options["chunksize"] = max(PIECE_BYTES, -(-size // MOST_PARTS))
        self._tried(
            f"sending {path}",
            lambda: self._fs.put_file(str(source), place, callback=_Watch(self._left), **options),
        )

    def _remove(self, path: str) -> None:
        place = self._place(path)
        self._tried(f"removing {path}", lambda: self._fs.rm_file(place), missing=True)

    def _place(self, path: str) -> str:
        return f"{self._root}/{path}" if path else self._root

    @staticmethod
    def at_once(items: list[str], act: Callable[[str], None]) -> None:
        """`act` on each of `items`, a few at a time; the first failure lets no further one begin."""
        failed = threading.Event()

        def unless_failed(item: str) -> None:
            if failed.is_set():
                return
            try:
                act(item)
            except BaseException:
                failed.set()
                raise

        with ThreadPoolExecutor(SMALL_FILES_AT_ONCE) as pool:
            for _ in pool.map(unless_failed, items):
                pass

    def _tried(self, what: str, act: Callable[[], T], *, missing: bool = False) -> T | None:
        """`act` until it goes well, time is up or trying again is senseless. With `missing`, no such file is None."""
        for wait in (*RETRY_WAITS, None):
            if self._left() <= 0:
                raise StoreError(f"{what}: no time is left", temporary=True)
            try:
                return act()
            except Exception as error:
                failure = self._failure(what, error)
                if missing and _is_missing_file(error):
                    return None
                if wait is None or not failure.temporary or self._left() <= wait:
                    raise failure from error
            time.sleep(wait * random.uniform(0.5, 1.0))  # noqa: S311 - spreads retries, protects nothing
        raise AssertionError

    def _failure(self, what: str, error: Exception) -> StoreError:
        if isinstance(error, StoreError):
            return error
        said = f"{what} in {self.url}: {error or type(error).__name__}"
        if isinstance(error, PermissionError) or type(error).__name__ in ("NoCredentialsError", "HttpError"):
            said += " (credentials are taken from the environment)"
        lasting = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError, TypeError, ValueError)
        without = type(error).__name__ in ("NoCredentialsError", "PartialCredentialsError")
        return StoreError(said, temporary=not isinstance(error, lasting) and not without)


class _Watch(Callback):  # type: ignore[misc,unused-ignore]
    """Ends the transfer of a large file when time is up: it is told of each piece."""

    def __init__(self, left: Callable[[], float]) -> None:
        super().__init__()
        self._left = left

    def relative_update(self, inc: int = 1) -> None:
        super().relative_update(inc)
        if self._left() <= 0:
            raise StoreError("no time is left for the rest of a file", temporary=True)


def _opened(url: str, endpoint_url: str | None) -> tuple[Any, str]:
    """The file system of `url`, without any cache of listings, and the folder in it."""
    parts = urlsplit(url)
    kind = SCHEMES.get(parts.scheme)
    if kind is None:
        raise StoreError(f"a store is a folder or begins with file://, s3:// or gs://, not {parts.scheme}://")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise StoreError("a store's address holds no credentials and no options: those belong in the environment")
    if ".." in parts.path.split("/"):
        raise StoreError("a store's address holds no ..")
    if kind in ("s3", "gs") and not parts.netloc:
        raise StoreError(f"{url} names no bucket")
    root = f"{parts.netloc}{parts.path}".rstrip("/") if kind in ("s3", "gs", "memory") else parts.path.rstrip("/")
    if kind == "file" and (parts.netloc or not root.startswith("/")):
        raise StoreError(f"{url} is no absolute path")
    return _file_system(kind, endpoint_url), f"/{root.lstrip('/')}" if kind == "memory" else root


def _file_system(kind: str, endpoint_url: str | None) -> Any:
    import fsspec

    options: dict[str, Any] = {"use_listings_cache": False, "skip_instance_cache": True}
    if kind == "file":
        options = {"auto_mkdir": True}
    if kind == "memory":
        options = {}
    if kind == "s3":
        limits = {"connect_timeout": CONNECT_SECONDS, "read_timeout": ANSWER_SECONDS}
        # Tried again by us, whose clock knows the deadline; three layers of retries multiply.
        options["config_kwargs"] = {**limits, "retries": {"total_max_attempts": 1}}
    if endpoint_url and kind in ("s3", "gs"):
        options["endpoint_url"] = endpoint_url
    try:
        opened = fsspec.filesystem(kind, **options)
    except ImportError as error:
        package = {"s3": "s3fs", "gs": "gcsfs"}[kind]
        raise StoreError(f"{kind}:// needs the package {package}, which is not installed here") from error
    if kind == "s3":
        opened.retries = 2
    return opened


def _protocols(fs: Any) -> tuple[str, ...]:
    return (fs.protocol,) if isinstance(fs.protocol, str) else tuple(fs.protocol)


def _is_missing_file(error: Exception) -> bool:
    """Whether it is the file that is missing; where it is the bucket, something is wrong that must be told."""
    return isinstance(error, FileNotFoundError) and "bucket does not exist" not in str(error)
