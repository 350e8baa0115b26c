"""A server on this machine that speaks the part of the Hugging Face Hub's API that publishing needs.

Written after the client (huggingface_hub 1.33) and the Hub's documentation: create a repository, look at it, validate
a card, preupload, git-lfs batch with basic transfer, commit. What it is told to do wrong, it does wrong.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "hf_" + "s3cr3t" * 6
SIGNATURE = "X-Amz-Signature=0123456789abcdef"
LFS_ABOVE_BYTES = 1000
"""Files larger than this are kept by git-lfs, as are weights; the real limit is larger."""


@dataclass(slots=True)
class Fault:
    """What goes wrong, so many times, at requests whose path holds `where`: an HTTP status with a body, or after
    `cut_after` bytes of the request's body the connection ends without an answer."""

    where: str
    status: int = 0
    times: int = 10**9
    cut_after: int | None = None
    body: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Repo:
    private: bool
    files: dict[str, bytes] = field(default_factory=dict)
    commits: list[str] = field(default_factory=list)


class Hub:
    """What the server holds. `requests` are (method, path) of all that came, `stored` the bytes of every PUT."""

    def __init__(self) -> None:
        self.repos: dict[str, Repo] = {}
        self.objects: dict[str, bytes] = {}
        self.requests: list[tuple[str, str]] = []
        self.stored: list[int] = []
        self.faults: list[Fault] = []
        self.url = ""
        self._turn = threading.Lock()

    def fault_at(self, path: str) -> Fault | None:
        with self._turn:
            found = next((each for each in self.faults if each.where in path and each.times > 0), None)
            if found is not None:
                found.times -= 1
            return found

    def oid(self, repo: Repo, path: str) -> str | None:
        """What the Hub compares with: of a file that git keeps git's own digest, of another one its SHA-256."""
        held = repo.files.get(path)
        if held is None:
            return None
        return hashlib.sha256(held).hexdigest() if by_lfs(path, len(held)) else git_digest(held)


def by_lfs(path: str, size: int) -> bool:
    return path.endswith(".safetensors") or size > LFS_ABOVE_BYTES


def git_digest(content: bytes) -> str:
    return hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, *_: object) -> None:
        """Quiet."""

    def _serve(self) -> None:
        path = self.path.partition("?")[0]
        self.hub.requests.append((self.command, path))
        fault = self.hub.fault_at(path)
        length = int(self.headers.get("content-length") or 0)
        if fault is not None and fault.cut_after is not None:
            self.rfile.read(min(fault.cut_after, length))
            self.close_connection = True
            self.connection.shutdown(2)
            return
        body = self._body(length)
        if fault is not None:
            self._answer(fault.status, fault.body)
        elif path.startswith("/storage/"):
            self._store(path.rsplit("/", 1)[1], body)
        elif self.headers.get("authorization") != f"Bearer {TOKEN}":
            self._answer(401, {"error": "Invalid credentials in Authorization header"})
        else:
            self._api(path, body)

    def _body(self, length: int) -> bytes:
        if self.headers.get("transfer-encoding") != "chunked":
            return self.rfile.read(length)
        pieces = []
        while size := int(self.rfile.readline(), 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)

    def _answer(self, status: int, document: Any) -> None:
        text = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def _store(self, oid: str, body: bytes) -> None:
        self.hub.stored.append(len(body))
        if hashlib.sha256(body).hexdigest() != oid:
            self._answer(400, {"error": "the content has another digest"})
            return
        self.hub.objects[oid] = body
        self._answer(200, {})

    def _api(self, path: str, body: bytes) -> None:
        parts = path.strip("/").split("/")
        if path == "/api/repos/create":
            self._create(json.loads(body))
        elif path == "/api/validate-yaml":
            self._answer(200, {"errors": [], "warnings": []})
        elif path.endswith(".git/info/lfs/objects/batch"):
            self._batch(json.loads(body))
        elif parts[:2] == ["api", "models"] and len(parts) >= 4:
            self._model("/".join(parts[2:4]), parts[4:], body)
        else:
            self._answer(404, {"error": f"no {path}"})

    def _create(self, wanted: dict[str, Any]) -> None:
        name = f"{wanted['organization']}/{wanted['name']}"
        if name in self.hub.repos:
            self._answer(409, {"error": "You already created this model repo", "url": f"{self.hub.url}/{name}"})
            return
        self.hub.repos[name] = Repo(private=wanted.get("visibility") == "private" or bool(wanted.get("private")))
        self._answer(200, {"url": f"{self.hub.url}/{name}", "name": name})

    def _model(self, name: str, rest: list[str], body: bytes) -> None:
        repo = self.hub.repos.get(name)
        if repo is None:
            self._answer(404, {"error": "Repository not found"})
        elif rest[:1] == ["preupload"]:
            files = json.loads(body)["files"]
            self._answer(200, {"files": [self._preupload(repo, each) for each in files]})
        elif rest[:1] == ["commit"]:
            self._commit(name, repo, [json.loads(line) for line in body.splitlines()])
        else:
            head = repo.commits[-1] if repo.commits else "0" * 40
            self._answer(200, {"id": name, "modelId": name, "private": repo.private, "sha": head, "siblings": []})

    def _preupload(self, repo: Repo, file: dict[str, Any]) -> dict[str, Any]:
        mode = "lfs" if by_lfs(file["path"], file["size"]) else "regular"
        found = {"path": file["path"], "uploadMode": mode, "shouldIgnore": False}
        oid = self.hub.oid(repo, file["path"])
        return found if oid is None else {**found, "oid": oid}

    def _batch(self, wanted: dict[str, Any]) -> None:
        objects = []
        for each in wanted["objects"]:
            href = f"{self.hub.url}/storage/{each['oid']}?{SIGNATURE}"
            known = each["oid"] in self.hub.objects
            objects.append(each if known else {**each, "actions": {"upload": {"href": href, "header": {}}}})
        self._answer(200, {"transfer": "basic", "objects": objects})

    def _commit(self, name: str, repo: Repo, lines: list[dict[str, Any]]) -> None:
        changed = dict(repo.files)
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                changed[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                changed[value["path"]] = self.hub.objects[value["oid"]]
        repo.files = changed
        oid = hashlib.sha1(json.dumps(lines).encode()).hexdigest()
        repo.commits.append(oid)
        self._answer(200, {"commitOid": oid, "commitUrl": f"{self.hub.url}/{name}/commit/{oid}", "success": True})


@contextmanager
def serving() -> Iterator[Hub]:
    """A hub on a free port of loopback."""
    hub = Hub()
    served = {f"do_{method}": _Handler._serve for method in ("GET", "POST", "PUT", "HEAD")}
    handler = type("Handler", (_Handler,), {"hub": hub, **served})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
