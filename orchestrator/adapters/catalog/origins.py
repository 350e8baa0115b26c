"""Where a price list is fetched from: a file of this machine, or an address."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import httpx

from orchestrator.adapters.catalog.list_forms import read_price_list
from orchestrator.adapters.catalog.price_list import FIELD, MOST_BYTES, decoded
from orchestrator.adapters.catalog.skypilot_catalog import is_catalogue, read_cloud
from orchestrator.domain.errors import InvalidInputError
from orchestrator.domain.offers import Offer

SCHEMES = ("http://", "https://")
TIMEOUT_SECONDS = 10.0
MOST_FETCH_SECONDS = 60.0
"""For the whole of it: a server that sends a byte now and then would never run into the time-out of a read."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file as it came: its name, the folder it lay in, its content and the day of it."""

    name: str
    folder: str
    content: bytes
    written_on: date
    origin: str


def read_origin(origin: str, today: date, timeout_seconds: float = TIMEOUT_SECONDS) -> tuple[Offer, ...]:
    """The offers at `origin`: a price list in our columns, or one cloud's file of SkyPilot's catalogue, whose folder
    is named after the cloud. Raises `InvalidInputError` for anything less than all of it."""
    is_address = origin.lower().startswith(SCHEMES)
    fetched = _fetch(origin, today, timeout_seconds) if is_address else read_file(Path(origin).expanduser())
    if not is_catalogue(decoded(fetched.content)):
        return read_price_list(fetched.name, fetched.content, fetched.written_on, today, fetched.origin)
    reading = read_cloud(fetched.folder, decoded(fetched.content), fetched.written_on)
    # A row that is cut off is the mark of a file that did not come whole, and half a catalogue must not be kept.
    if reading.remarks or not reading.offers:
        why = "; ".join(reading.remarks) or "has no offer in it"
        raise InvalidInputError.of(FIELD, f"{fetched.origin}: {why}")
    return reading.offers


def read_file(path: Path) -> Fetched:
    """The file at `path`; `InvalidInputError` when it is not there, not a file, too large or may not be read."""
    try:
        if not path.is_file():
            raise InvalidInputError.of(FIELD, f"there is no file {path}")
        stat = path.stat()
        if stat.st_size > MOST_BYTES:
            raise InvalidInputError.of(FIELD, f"{path.name} must be at most {MOST_BYTES // 1024 // 1024} MB")
        content = path.read_bytes()
    except OSError as error:
        raise InvalidInputError.of(FIELD, f"{path} cannot be read: {error.strerror}") from None
    except ValueError:
        raise InvalidInputError.of(FIELD, "is not a path of a file") from None
    written_on = datetime.fromtimestamp(stat.st_mtime, UTC).date()
    return Fetched(path.name, path.absolute().parent.name, content, written_on, f"price file {path.name}"[:100])


def _fetch(url: str, today: date, timeout_seconds: float) -> Fetched:
    try:
        parts = urlsplit(url)
    except ValueError:
        raise InvalidInputError.of(FIELD, f"{url!r} is not an address") from None
    path = PurePosixPath(parts.path)
    try:
        with httpx.stream("GET", url, timeout=timeout_seconds, follow_redirects=True) as answer:
            if answer.status_code != httpx.codes.OK:
                raise InvalidInputError.of(FIELD, f"{parts.hostname} answers {answer.status_code} instead of prices")
            content = _content(answer)
    except httpx.TimeoutException:
        raise InvalidInputError.of(FIELD, f"{parts.hostname} did not answer within {timeout_seconds:g} s") from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise InvalidInputError.of(FIELD, f"{parts.hostname} cannot be read: {error or type(error).__name__}") from None
    return Fetched(path.name, path.parent.name, content, today, f"{parts.hostname}, {path.name}"[:100])


def _content(answer: httpx.Response) -> bytes:
    content = bytearray()
    started = time.monotonic()
    for piece in answer.iter_bytes():
        content += piece
        if len(content) > MOST_BYTES:
            raise InvalidInputError.of(FIELD, f"must be at most {MOST_BYTES // 1024 // 1024} MB")
        if time.monotonic() - started > MOST_FETCH_SECONDS:
            raise InvalidInputError.of(FIELD, f"did not come within {MOST_FETCH_SECONDS:g} s")
    return bytes(content)
