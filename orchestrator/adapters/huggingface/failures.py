"""What went wrong with the hub, in words of one line that bear no secret."""

from __future__ import annotations

import re

import httpx
from huggingface_hub.errors import HfHubHTTPError

from orchestrator.domain.errors import HubError

LONGEST = 300
AGAIN = frozenset({408, 409, 412, 423, 425, 429})
"""With every 5xx: answers that may be others a little later. 409 and 412 come from commits at the same moment."""
_MEANINGS = {
    401: "it does not take the service's token",
    402: "it asks for payment",
    403: "the service's token may not write there",
    404: "there is no such place, or the service's token may not see it",
    413: "a file is too large",
    429: "it is asked too often",
}
_QUERY = re.compile(r"\?[^\s'\"<>]*")


def hub_error(error: Exception, token: str) -> HubError:
    """`error`, which the client raised, as the port promises it. The client wraps what happened to one file, so the
    cause is looked for underneath."""
    cause: BaseException | None = error
    innermost: BaseException = error
    while cause is not None:
        if isinstance(cause, HfHubHTTPError):
            return _refusal(cause, token)
        if isinstance(cause, httpx.HTTPError):
            told = f"the connection to the hub broke: {type(cause).__name__} {cause}"
            return HubError(clean(told, token), temporary=True)
        innermost, cause = cause, cause.__cause__ or cause.__context__
    told = f"the client of the hub failed: {type(innermost).__name__}: {innermost}"
    return HubError(clean(told, token), temporary=False)


def _refusal(error: HfHubHTTPError, token: str) -> HubError:
    status = error.response.status_code
    meaning = _MEANINGS.get(status, "it failed" if status >= 500 else "it refuses this")
    said = f" ({error.server_message})" if error.server_message else ""
    told = f"the hub answered HTTP {status}: {meaning}{said}"
    return HubError(clean(told, token), temporary=status >= 500 or status in AGAIN)


def clean(text: str, token: str) -> str:
    """`text` on one line, without the token, should a server repeat it, and without the queries of addresses, whose
    signatures are as good as a token for a while."""
    without = _QUERY.sub("", text.replace(token, "[token]") if token else text)
    return " ".join(without.split())[:LONGEST]
