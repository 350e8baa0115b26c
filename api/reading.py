"""Threads for what may read a whole file of rows: few, and none of those that everything else is answered by."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial, wraps
from typing import ParamSpec, TypeVar

from anyio import CapacityLimiter
from anyio.lowlevel import RunVar
from anyio.to_thread import run_sync

MOST_AT_ONCE = 2
"""For uploads and for quotes, each: a large file takes a processor for a minute or two."""

_P = ParamSpec("_P")
_R = TypeVar("_R")
_Limiter = RunVar[CapacityLimiter]

UPLOADS: _Limiter = RunVar("uploads")
QUOTES: _Limiter = RunVar("quotes")


async def reading(which: _Limiter, call: Callable[[], _R]) -> _R:
    """What `call` returns, in a thread of its kind, when one is free."""
    return await run_sync(call, limiter=_limiter(which))


def reads_rows(endpoint: Callable[_P, _R]) -> Callable[_P, Awaitable[_R]]:
    """A route that quotes, and so may look at every row of the dataset that it is asked about."""

    @wraps(endpoint)
    async def waiting(*args: _P.args, **named: _P.kwargs) -> _R:
        return await reading(QUOTES, partial(endpoint, *args, **named))

    return waiting


def _limiter(which: _Limiter) -> CapacityLimiter:
    """One for each event loop, to which it belongs."""
    try:
        return which.get()
    except LookupError:
        made = CapacityLimiter(MOST_AT_ONCE)
        which.set(made)
        return made
