"""The hub port: where results are published."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO, Protocol


@dataclass(frozen=True, slots=True)
class Upload:
    """A file's name in the repository, with `/`, and its content, which can be read from any place."""

    path: str
    content: BinaryIO


class Hub(Protocol):
    """Promises: `is_ready` says without a request whether there is a token. `publish` makes the repository if it is
    missing and brings all files into it at once or none, and nothing at all if it holds them as they are; files of
    other names stay. It returns the repository's address. A private publication never goes into a public repository.
    Every failure is a `HubError` that bears no secret."""

    def is_ready(self) -> bool: ...

    def publish(self, repo: str, uploads: Sequence[Upload], message: str, *, private: bool) -> str: ...
