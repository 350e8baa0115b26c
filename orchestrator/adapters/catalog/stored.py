"""What the last refresh read, kept in the home: written beside and renamed, so that it is whole or the old one."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from orchestrator.adapters.codec import DocumentError, decode, encode
from orchestrator.domain.errors import StorageError
from orchestrator.domain.offers import Offer


@dataclass(frozen=True, slots=True)
class StoredPrices:
    """The offers of each source as they were at `refreshed_at`; `origin` is where those fetched came from."""

    refreshed_at: datetime
    parts: Mapping[str, tuple[Offer, ...]]
    origin: str | None = None


class BrokenStoreError(Exception):
    """The stored prices cannot be read; says why."""


def read_stored(file: Path) -> StoredPrices | None:
    """What was stored, None before the first refresh; `BrokenStoreError` for a file that someone else wrote to."""
    try:
        return decode(StoredPrices, json.loads(file.read_bytes()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, DocumentError, RecursionError) as error:
        raise BrokenStoreError(str(error)) from error


def write_stored(file: Path, prices: StoredPrices) -> None:
    """Replace what is stored; `StorageError` when the disk does not take it, and then the old one stays."""
    content = json.dumps(encode(StoredPrices, prices)).encode()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, draft = tempfile.mkstemp(prefix=f"{file.name}.", dir=file.parent)
        try:
            with os.fdopen(handle, "wb") as out:
                out.write(content)
                out.flush()
                os.fsync(out.fileno())
            Path(draft).replace(file)
        except OSError:
            Path(draft).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise StorageError(f"the prices could not be stored: {error.strerror}") from error
