"""A server that speaks S3, a process of its own on loopback, and a way to it that can be slow, broken or closed."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

BUCKET = "latticeforge-test"
KEY_ID, SECRET = "TESTKEYID0001", "test-secret-that-is-nobody's"
SERVER = """
import logging, sys, time
from moto.server import ThreadedMotoServer
logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()  # until whoever started us ends
"""
PIECE = 64 * 1024


@dataclass
class S3Site:
    """The server at `endpoint_url`. `environment` is what a process needs to reach it."""

    endpoint_url: str

    @property
    def url(self) -> str:
        """A store in the bucket."""
        return f"s3://{BUCKET}/runs"

    @property
    def environment(self) -> dict[str, str]:
        return {"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_DEFAULT_REGION": "us-east-1"}

    @property
    def client(self) -> Any:
        """Amazon's own client: another than the one under test."""
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint_url,
            aws_access_key_id=KEY_ID,
            aws_secret_access_key=SECRET,
            region_name="us-east-1",
            config=Config(s3={"addressing_style": "path"}),
        )

    def keys(self, prefix: str = "") -> dict[str, int]:
        """Every object below `runs/<prefix>`, by its key below `runs/`, with its size."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=f"runs/{prefix}")
        found = (each for page in pages for each in page.get("Contents", ()))
        return {each["Key"].removeprefix("runs/"): each["Size"] for each in found}

    def content(self, key: str) -> bytes:
        body: bytes = self.client.get_object(Bucket=BUCKET, Key=f"runs/{key}")["Body"].read()
        return body

    @property
    def is_being_sent_to(self) -> bool:
        """Whether an upload in parts has been begun and not completed."""
        return bool(self.client.list_multipart_uploads(Bucket=BUCKET).get("Uploads"))

    def put(self, key: str, content: bytes) -> None:
        self.client.put_object(Bucket=BUCKET, Key=f"runs/{key}", Body=content)

    def empty(self) -> None:
        """One empty bucket and nothing else."""
        self.order("reset", b"")
        self.client.create_bucket(Bucket=BUCKET)

    def order(self, what: str, content: bytes) -> None:
        """Change the server itself, through the door that it has for tests."""
        address, kind = f"{self.endpoint_url}/moto-api/{what}", {"Content-Type": "text/plain"}
        urllib.request.urlopen(urllib.request.Request(address, content, kind, method="POST")).close()


@contextlib.contextmanager
def s3_site() -> Iterator[S3Site]:
    """A server with one empty bucket."""
    process = subprocess.Popen([sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        site = S3Site(f"http://127.0.0.1:{int(process.stdout.readline())}")
        site.client.create_bucket(Bucket=BUCKET)
        yield site
    finally:
        process.kill()
        process.communicate()


@dataclass
class Road:
    """A way to the server whose state can be changed at any time.

    `open`: bytes pass. `closed`: connections are refused at once. `slow`: `bytes_per_second` in all. `breaking`: each
    connection is cut after `breaks_after` bytes from the client.
    """

    server: int
    state: str = "open"
    bytes_per_second: float = 1e6
    breaks_after: int = 10_000
    connections: int = 0
    port: int = 0
    _listener: socket.socket = field(default_factory=socket.socket)

    @property
    def endpoint_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(64)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            if self.state == "closed":
                client.close()
                continue
            server = socket.create_connection(("127.0.0.1", self.server))
            threading.Thread(target=self._pass, args=(client, server, True), daemon=True).start()
            threading.Thread(target=self._pass, args=(server, client, False), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, upwards: bool) -> None:
        passed = 0
        with contextlib.suppress(OSError):
            while data := source.recv(PIECE):
                passed += len(data)
                if self.state == "closed" or (self.state == "breaking" and upwards and passed > self.breaks_after):
                    break
                if self.state == "slow":
                    time.sleep(len(data) / self.bytes_per_second)
                target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@contextlib.contextmanager
def road_to(site: S3Site) -> Iterator[Road]:
    """An open road to `site`."""
    road = Road(int(site.endpoint_url.rsplit(":", 1)[1]))
    road.start()
    try:
        yield road
    finally:
        road.state = "closed"
        road.close()


@contextlib.contextmanager
def credentials(site: S3Site) -> Iterator[None]:
    """The site's credentials in this process's environment."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        for name, value in site.environment.items():
            patch.setenv(name, value)
        yield


@contextlib.contextmanager
def locked(site: S3Site) -> Iterator[None]:
    """The server knows nobody, until the end."""
    site.order("reset-auth", b"0")
    try:
        yield
    finally:
        site.order("reset-auth", b"1000000000")


def folder_of(folder: Path, files: dict[str, bytes]) -> Path:
    """A folder with these files."""
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder
