"""`python -m workers.migrate`: bring the database up to date, and end. `latticeforge up` does it by itself."""

from __future__ import annotations

import sys

from orchestrator.bootstrap import migrate
from orchestrator.settings import Settings


def main() -> int:
    """Exit code 0; an error is raised as it is, for whoever reads the log of a one-shot container."""
    settings = Settings()
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    migrate(settings)
    return 0


if __name__ == "__main__":
    sys.exit(main())
