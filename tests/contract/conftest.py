"""Fixtures of the contract suites, one import for each port."""

from tests.contract.store_adapters import migrated_postgres as migrated_postgres
from tests.contract.store_adapters import migrated_sqlite as migrated_sqlite
from tests.contract.store_adapters import site as site
from tests.contract.store_adapters import store as store
