"""The command line's way to the service: HTTP, and nothing else."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import httpx

DEFAULT_URL = "http://127.0.0.1:8000"
TIMEOUT = httpx.Timeout(30.0, connect=3.0)
UPLOAD_TIMEOUT = httpx.Timeout(30.0, connect=3.0, read=900.0)
"""The service answers when it has looked at every row."""
STREAM_TIMEOUT = httpx.Timeout(30.0, connect=3.0, read=25.0)
"""A live stream says at least every ten seconds that it is still there."""

Json = dict[str, Any]


class UnreachableError(Exception):
    """No service answers at this address."""


class RefusedError(Exception):
    """The service answered with a problem. `problem` is its document, as in RFC 9457."""

    def __init__(self, status: int, problem: Json) -> None:
        self.status = status
        self.problem = problem
        super().__init__(str(problem.get("detail") or problem.get("title") or f"HTTP {status}"))


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event of a run; `data` is the document that came with it."""

    name: str
    id: str
    data: Json


def find_url(given: str | None, home: Path) -> str:
    """The address: as given, from LATTICEFORGE_URL, of the service that runs on `home`, or the default."""
    if given or (given := os.environ.get("LATTICEFORGE_URL")):
        return given.rstrip("/")
    try:
        return str(json.loads((home / "service.json").read_text(encoding="utf-8"))["url"])
    except (OSError, ValueError, KeyError, TypeError):
        return DEFAULT_URL


def run_path(run_id: str, part: str = "") -> str:
    """The path of a run, or of a part of it; `RefusedError` for what cannot be an id and might lead elsewhere."""
    if not re.fullmatch(r"[A-Za-z0-9_-]+", run_id):
        raise RefusedError(404, {"title": "No such thing", "detail": f"no run {run_id!r}"})
    return f"/runs/{run_id}{part}"


def inside(folder: Path, path: str) -> Path:
    """`path` under `folder`; the service names paths, and none of them may lead out of it."""
    root = folder.resolve()
    target = (root / path).resolve()
    if not target.is_relative_to(root) or target == root:
        raise UnreachableError(f"the service names a file outside its folder: {path!r}")
    return target


class Client:
    """Every method raises `UnreachableError` when nobody answers and `RefusedError` for a problem."""

    def __init__(self, url: str, token: str | None) -> None:
        self.url = url
        headers = {"Accept": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        # Proxies are for the outside world; the service is often on this very machine.
        self._http = httpx.Client(base_url=url, headers=headers, timeout=TIMEOUT, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def get(self, path: str, **query: object) -> Json:
        return self._ask("GET", path, params={name: value for name, value in query.items() if value is not None})

    def post(self, path: str, body: Mapping[str, object] | None = None, key: str | None = None) -> Json:
        return self._ask("POST", path, json=body, headers={"Idempotency-Key": key} if key else {})

    def upload(self, path: str, file: Path, media_type: str, **query: str) -> Json:
        """Send the file as it is, a piece at a time."""
        with file.open("rb") as body:
            return self._ask(
                "POST", path, params=query, content=body, headers={"Content-Type": media_type}, timeout=UPLOAD_TIMEOUT
            )

    def readiness(self) -> Json:
        """The diagnosis, whether all is well or not."""
        with self._reached():
            answer = self._http.get("/readyz")
        if answer.status_code in {200, 503}:
            return _document(answer)
        raise _refusal(answer)

    def download(self, href: str, target: Path) -> int:
        """Write the file at `href` to `target`, whole or not at all; returns its size in bytes."""
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_name(f"{target.name}.part")
        with self._reached(), self._http.stream("GET", href) as answer:
            if answer.is_error:
                answer.read()
                raise _refusal(answer)
            with draft.open("wb") as file:
                for piece in answer.iter_bytes():
                    file.write(piece)
        draft.replace(target)
        return target.stat().st_size

    def events(self, run_id: str, after: str = "0") -> Generator[Event, None, None]:
        """What happens to the run after event `after`, as it happens; ends when the connection does."""
        headers = {"Accept": "text/event-stream", "Last-Event-ID": after}
        path = run_path(run_id, "/events")
        with self._reached(), self._http.stream("GET", path, headers=headers, timeout=STREAM_TIMEOUT) as answer:
            if answer.is_error:
                answer.read()
                raise _refusal(answer)
            yield from parse_events(answer.iter_lines())

    def _ask(self, method: str, path: str, **options: Any) -> Json:
        with self._reached():
            answer = self._http.request(method, path, **options)
        if answer.is_error:
            raise _refusal(answer)
        return _document(answer)

    @contextmanager
    def _reached(self) -> Iterator[None]:
        try:
            yield
        except (httpx.TransportError, httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise UnreachableError(f"no service answers at {self.url} ({error or type(error).__name__})") from error


def parse_events(lines: Iterator[str]) -> Iterator[Event]:
    """Server-sent events from their lines (WHATWG HTML, 9.2.6); comments and retry hints are left out."""
    fields: dict[str, str] = {}
    for line in lines:
        if not line:
            if "data" in fields:
                yield Event(fields.get("event", "message"), fields.get("id", ""), json.loads(fields["data"]))
            fields = {}
        elif not line.startswith(":"):
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            fields[name] = f"{fields[name]}\n{value}" if name == "data" and name in fields else value


def _document(answer: httpx.Response) -> Json:
    try:
        document = answer.json()
    except ValueError as error:
        raise UnreachableError(f"what answers at {answer.url} is not LatticeForge") from error
    if not isinstance(document, dict):
        raise UnreachableError(f"what answers at {answer.url} is not LatticeForge")
    return document


def _refusal(answer: httpx.Response) -> RefusedError:
    try:
        problem = answer.json()
    except ValueError:
        problem = None
    return RefusedError(answer.status_code, problem if isinstance(problem, dict) else {"detail": answer.text[:300]})
