"""Fixtures for all tests."""

from tests.postgres import postgres_server as postgres_server
