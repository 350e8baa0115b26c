"""`HuggingFaceHub`: publishing through the Hub's own client."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

import httpx
from huggingface_hub import CommitOperationAdd, HfApi, set_client_factory
from huggingface_hub.utils.tqdm import disable_progress_bars

from orchestrator.adapters.huggingface.failures import hub_error
from orchestrator.domain.errors import HubError
from orchestrator.ports.hub import Upload

PATIENCE = httpx.Timeout(120.0, connect=20.0)
"""For one read or write, not for an upload. The client would wait for ever, and a thread of the worker with it."""
THREADS = 2
"""Files of one publication that are sent at the same time."""


class HuggingFaceHub:
    """The hub at `endpoint`, with the account that `token` belongs to.

    Files go as streams, by git-lfs over HTTP: the client sends those in no other way (Xet takes paths only), so there
    is one protocol to know. What the Hub holds already, by its digest, is not sent again.
    """

    def __init__(self, endpoint: str, token: str | None) -> None:
        self._endpoint = endpoint.rstrip("/")
        self._token = token or ""
        self._prepared = threading.Event()

    def is_ready(self) -> bool:
        return bool(self._token)

    def publish(self, repo: str, uploads: Sequence[Upload], message: str, *, private: bool) -> str:
        if not self._token:
            raise HubError("the service has no token for the hub", temporary=False)
        self._prepare()
        try:
            return self._publish(repo, uploads, message, private=private)
        except HubError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever the client raises is told without its traceback and secrets
            raise hub_error(error, self._token) from None

    def _publish(self, repo: str, uploads: Sequence[Upload], message: str, *, private: bool) -> str:
        api = HfApi(endpoint=self._endpoint, token=self._token, library_name="latticeforge")
        api.create_repo(repo, private=private, exist_ok=True)
        if private and not api.model_info(repo).private:
            raise HubError(f"{repo} is public: push with private set to false, or to another one", temporary=False)
        additions = [CommitOperationAdd(each.path, each.content) for each in uploads]
        api.create_commit(repo, additions, commit_message=message, num_threads=THREADS)
        return f"{self._endpoint}/{repo}"

    def _prepare(self) -> None:
        """The client's settings are its module's: made once, when something is first published."""
        if self._prepared.is_set():
            return
        set_client_factory(lambda: httpx.Client(follow_redirects=True, timeout=PATIENCE))
        # They tell whole addresses, signatures and all; what matters comes as an exception.
        logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
        for chatty in ("httpx", "httpcore"):
            logging.getLogger(chatty).setLevel(logging.WARNING)
        disable_progress_bars()
        self._prepared.set()
