"""Random identifiers."""

from __future__ import annotations

import secrets
import string

from orchestrator.domain.ids import RunId, parse_run_id

_ALPHABET = string.ascii_lowercase + string.digits
_LENGTH = 12


class SystemIds:
    """Run ids from the system's randomness: 36^12 of them, so that two never meet in practice."""

    def new_run_id(self) -> RunId:
        return parse_run_id("run_" + "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH)))
