"""Whether the service lives, and whether it can do its work."""

from __future__ import annotations

from typing import Literal

from api.schemas.view import View
from orchestrator.services.health import Check


class LivenessView(View):
    status: Literal["alive"]


class CheckView(View):
    """One line of the diagnosis."""

    name: str
    ok: bool
    detail: str

    @classmethod
    def of(cls, check: Check) -> CheckView:
        return cls(name=check.name, ok=check.ok, detail=check.detail)


class ReadinessView(View):
    ready: bool
    checks: list[CheckView]
