"""The files below one folder of a store, by fsspec: a local folder, S3 or what speaks it, Google Cloud Storage."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from orchestrator.domain.errors import ArtifactStoreError
from orchestrator.domain.store_address import parse_store_url

CONNECT_SECONDS, ANSWER_SECONDS = 5, 20
LONGEST = 300
PACKAGES = {"s3": "s3fs", "gs": "gcsfs"}

T = TypeVar("T")


class Bucket:
    """Reads below `url`. Opens no connection before the first call; every method raises `ArtifactStoreError`.

    Credentials come from the environment, in the names that each store's own tools use.
    """

    def __init__(self, url: str, endpoint_url: str | None = None) -> None:
        self._kind, self._root = parse_store_url(url)
        self._url = url
        self._endpoint_url = endpoint_url
        self._fs: Any = None

    def sizes(self, prefix: str) -> dict[str, int]:
        """Every file below `prefix`, by its path relative to that, with its size in bytes."""
        top = f"{self._root}/{prefix}"
        found = self._asked(f"listing {prefix}", lambda fs: fs.find(top, detail=True)) or {}
        below = top.strip("/") + "/"
        named = ((name.strip("/").removeprefix(below), facts) for name, facts in found.items())
        return {name: int(facts["size"]) for name, facts in named if facts["type"] == "file"}

    def contents(self, paths: Sequence[str]) -> dict[str, bytes]:
        """Small files, many at once; those that are gone are left out."""
        if not paths:
            return {}
        places = [f"{self._root}/{path}" for path in paths]

        def read(fs: Any) -> dict[str, Any]:
            found: dict[str, Any] = fs.cat(places, on_error="return")
            return found

        found = {name.strip("/"): content for name, content in self._asked("reading", read).items()}
        for content in found.values():
            if isinstance(content, Exception) and not isinstance(content, FileNotFoundError):
                raise self._failure("reading", content)
        whole = {path: found.get(place.strip("/")) for path, place in zip(paths, places, strict=True)}
        return {path: bytes(content) for path, content in whole.items() if isinstance(content, bytes)}

    def piece(self, path: str, start: int, end: int) -> bytes:
        """The bytes from `start` to before `end`; fewer where the file ends earlier."""
        if start >= end:
            return b""
        place = f"{self._root}/{path}"
        return self._asked(f"reading {path}", lambda fs: bytes(fs.cat_file(place, start=start, end=end)))

    def _asked(self, what: str, act: Callable[[Any], T]) -> T:
        try:
            if self._fs is None:
                self._fs = _file_system(self._kind, self._endpoint_url)
            return act(self._fs)
        except Exception as error:
            raise self._failure(what, error) from error

    def _failure(self, what: str, error: Exception) -> ArtifactStoreError:
        if isinstance(error, ImportError):
            package = PACKAGES.get(self._kind, "fsspec")
            return ArtifactStoreError(f"{self._url} needs the package {package}, which is not installed here")
        told = " ".join(str(error).split())[:LONGEST] or type(error).__name__
        return ArtifactStoreError(f"{what} in {self._url}: {told}")


def _file_system(kind: str, endpoint_url: str | None) -> Any:
    import fsspec

    # No cache of listings: another machine writes what is read here.
    options: dict[str, Any] = {"use_listings_cache": False, "skip_instance_cache": True} if kind in PACKAGES else {}
    if kind == "s3":
        limits = {"connect_timeout": CONNECT_SECONDS, "read_timeout": ANSWER_SECONDS}
        options["config_kwargs"] = {**limits, "retries": {"total_max_attempts": 2}}
    if endpoint_url and kind in PACKAGES:
        options["endpoint_url"] = endpoint_url
    opened = fsspec.filesystem(kind, **options)
    if kind == "s3":
        opened.retries = 2
    return opened
