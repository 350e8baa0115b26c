"""Who may ask: a bearer token where one is set, and never a foreign web page in the user's own browser."""

from __future__ import annotations

import hashlib
import hmac
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from api.errors import http_problem_type, problem_response

OPEN_PATHS = frozenset({"/healthz", "/readyz"})
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class RequireBearer:
    """ASGI middleware: every request but the health checks needs `Authorization: Bearer <token>`."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._digest = _digest(token)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in OPEN_PATHS or self._is_authorized(Headers(scope=scope)):
            await self._app(scope, receive, send)
            return
        answer = problem_response(
            http_problem_type(401),
            "send the service's token: Authorization: Bearer <token>",
            scope["path"],
            {"WWW-Authenticate": 'Bearer realm="latticeforge"'},
        )
        await answer(scope, receive, send)

    def _is_authorized(self, headers: Headers) -> bool:
        scheme, _, given = headers.get("authorization", "").partition(" ")
        # Digests, so that neither content nor length shows in the time that comparing takes.
        return scheme.lower() == "bearer" and hmac.compare_digest(_digest(given.strip()), self._digest)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


class RefuseForeignPages:
    """ASGI middleware against pages of other sites that drive the user's browser at this service.

    Requests that change something and come from another origin are refused. With `loopback_only`, so is any request
    that does not name this machine in its Host header: a foreign name that resolves to it is DNS rebinding.
    """

    def __init__(self, app: ASGIApp, *, loopback_only: bool) -> None:
        self._app = app
        self._loopback_only = loopback_only

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if self._loopback_only and not is_loopback(_host_of(headers.get("host", ""))):
            detail = "this service answers to localhost only; set LATTICEFORGE_API_TOKEN to open it to other names"
            answer = problem_response(http_problem_type(421), detail, scope["path"])
        elif scope["method"] not in SAFE_METHODS and _is_foreign(headers):
            answer = problem_response(http_problem_type(403), "the request came from another site", scope["path"])
        else:
            await self._app(scope, receive, send)
            return
        await answer(scope, receive, send)


def is_loopback(host: str) -> bool:
    """Whether `host` can only mean this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _host_of(authority: str) -> str:
    try:
        return urlsplit(f"//{authority}").hostname or ""
    except ValueError:
        return ""


def _is_foreign(headers: Headers) -> bool:
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site not in {"same-origin", "none"}
    origin = headers.get("origin")
    if origin is None:
        return False
    try:
        return urlsplit(origin).netloc.lower() != headers.get("host", "").lower()
    except ValueError:
        return True
