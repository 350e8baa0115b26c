"""Fixtures that several integration test modules share."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from technique_runs import TechniqueRuns


@pytest.fixture(scope="session")
def techniques(tmp_path_factory: pytest.TempPathFactory) -> TechniqueRuns:
    """Runs of each technique, made when they are asked for."""
    return TechniqueRuns(tmp_path_factory.mktemp("techniques"))
