"""Fixtures for all tests."""

import os

import pytest

# Rich's consoles take their width from it when they are made, which is at import: before a test can say how wide.
os.environ.pop("COLUMNS", None)

from tests.postgres import postgres_server as postgres_server


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Side by side, the tests of a file stay together, and so do all that share the trainings of the techniques."""
    for item in items:
        shares = "techniques" in getattr(item, "fixturenames", ())
        item.add_marker(pytest.mark.xdist_group("techniques" if shares else item.path.name))
