"""How large a body may be. Refused by what it declares before it is read, and by counting while it comes.

FastAPI's own `max_body_size` answers in plain text when the application had not read the body; ours is a problem.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import http_problem_type, problem_response

LARGEST_BODY_BYTES = 1024 * 1024


class LimitBody:
    """ASGI middleware: answers 413 to a body of more than `most` bytes, or of those that `others` grant to its method
    and path."""

    def __init__(
        self,
        app: ASGIApp,
        most: int = LARGEST_BODY_BYTES,
        others: Mapping[tuple[str, str], int] = MappingProxyType({}),
    ) -> None:
        self._app = app
        self._most = most
        self._others = others

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        most = self._others.get((scope["method"], scope["path"]), self._most)
        detail = f"a body may have at most {most} bytes"
        if _declares_more(scope, most):
            answer = problem_response(http_problem_type(413), detail, scope["path"], {"Connection": "close"})
            await answer(scope, receive, send)
            return
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > most:
                raise HTTPException(413, detail, {"Connection": "close"})
            return message

        await self._app(scope, counted, send)


def _declares_more(scope: Scope, most: int) -> bool:
    declared = dict(scope["headers"]).get(b"content-length", b"")
    # The length of the digits first: thousands of them are no number to Python, and too many to us.
    return declared.isdigit() and (len(declared) > 18 or int(declared) > most)
