"""Reading rows takes few threads, and leaves all others to the rest of the API."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Lock

import pytest

from api.reading import MOST_AT_ONCE
from orchestrator.adapters.inputs.folders import FolderInputs
from orchestrator.adapters.inputs.uploads import FolderArrival
from orchestrator.domain.errors import InvalidInputError
from tests.unit.api.serving import WISH, Client


class Slow:
    """Stands for reading that takes long: counts who is in it, until it may end."""

    def __init__(self) -> None:
        self.inside = 0
        self.may_end = Event()
        self._lock = Lock()

    def read(self, *_: object, **__: object) -> None:
        with self._lock:
            self.inside += 1
        self.may_end.wait(20)
        raise InvalidInputError.of("dataset", "took long")


@pytest.mark.parametrize("what", ["quotes", "datasets"])
def test_many_who_have_rows_read_do_not_stop_the_rest(
    client: Client, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    slow = Slow()
    monkeypatch.setattr(FolderInputs, "dataset", slow.read)
    monkeypatch.setattr(FolderArrival, "keep", slow.read)
    asked = {
        "quotes": {"json": WISH},
        "datasets": {"content": b"{}", "headers": {"Content-Type": "application/x-ndjson"}},
    }[what]
    with ThreadPoolExecutor(50) as pool:
        answers = [pool.submit(client.post, f"/{what}", **asked) for _ in range(45)]  # more than the API has threads
        try:
            while slow.inside < MOST_AT_ONCE:
                time.sleep(0.01)
            time.sleep(0.2)
            assert pool.submit(client.get, "/datasets").result(timeout=10).status_code == 200
            assert slow.inside == MOST_AT_ONCE
        finally:
            slow.may_end.set()
        assert {answer.result(timeout=10).status_code for answer in answers} == {422}
