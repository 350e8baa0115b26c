"""Fixtures for all tests."""

import os

# Rich's consoles take their width from it when they are made, which is at import: before a test can say how wide.
os.environ.pop("COLUMNS", None)

from tests.postgres import postgres_server as postgres_server
