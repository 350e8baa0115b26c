"""The API's listening socket. The supervisor holds it and the API inherits it, so that a restart of the API refuses
no connection: clients wait in the socket's queue for the moment that it takes."""

from __future__ import annotations

import errno
import socket

MOST_PORTS = 50
BACKLOG = 256


def listen(host: str, port: int) -> socket.socket:
    """A listening socket on `port`, or on the next free one above it; port 0 means any.

    `OSError` when the address is not ours, or everything up to `MOST_PORTS` further is taken.
    """
    last = port + (MOST_PORTS if port else 0)
    for candidate in range(port, min(last, 65535) + 1):
        try:
            return _listen(host, candidate)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or candidate == min(last, 65535):
                raise
    raise AssertionError("the loop returns or raises")


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Accepted sockets inherit it; uvicorn, given a descriptor, does not know that this is TCP and would not set it.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def url_of(listener: socket.socket) -> str:
    """Where a browser on this machine finds it."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared with, not bound to
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
