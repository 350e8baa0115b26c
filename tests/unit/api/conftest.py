"""One event loop for all API tests, and a service of its own for each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

from tests.unit.api.browsing import Browser
from tests.unit.api.serving import Client, Service, make_service


@pytest.fixture(scope="session")
def portal() -> Iterator[BlockingPortal]:
    with start_blocking_portal() as portal:
        yield portal


@pytest.fixture
def service(tmp_path: Path) -> Service:
    return make_service(tmp_path)


@pytest.fixture
def client(service: Service, portal: BlockingPortal) -> Iterator[Client]:
    with Client(service, portal) as client:
        yield client


@pytest.fixture
def browser(service: Service, portal: BlockingPortal) -> Iterator[Browser]:
    with Browser(service, portal) as browser:
        yield browser
