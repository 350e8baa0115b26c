"""How large a body may be. Refused by what it declares before it is read, and by counting while it comes.

FastAPI's own `max_body_size` answers in plain text when the application had not read the body; ours is a problem.
"""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import http_problem_type, problem_response

LARGEST_BODY_BYTES = 1024 * 1024


class LimitBody:
    """ASGI middleware: answers 413 to a body of more than `most` bytes."""

    def __init__(self, app: ASGIApp, most: int = LARGEST_BODY_BYTES) -> None:
        self._app = app
        self._most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if self._declares_too_much(scope):
            answer = problem_response(http_problem_type(413), self._detail, scope["path"], {"Connection": "close"})
            await answer(scope, receive, send)
            return
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._most:
                raise HTTPException(413, self._detail, {"Connection": "close"})
            return message

        await self._app(scope, counted, send)

    @property
    def _detail(self) -> str:
        return f"a body may have at most {self._most} bytes"

    def _declares_too_much(self, scope: Scope) -> bool:
        declared = dict(scope["headers"]).get(b"content-length", b"")
        # The length of the digits first: thousands of them are no number to Python, and too many to us.
        return declared.isdigit() and (len(declared) > 18 or int(declared) > self._most)
