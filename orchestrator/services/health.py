"""Whether the service can do its work, part by part."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from orchestrator.domain.errors import LatticeForgeError
from orchestrator.ports.clock import Clock
from orchestrator.ports.store import Store

PARTS = ("worker", "beat", "guard")
"""The processes that leave signs of life in the store."""
SILENT_AFTER = timedelta(seconds=15)

Probe = Callable[[], str]
"""Returns one line about a thing that is in order; raises `LatticeForgeError` or `OSError` saying what is missing."""


@dataclass(frozen=True, slots=True)
class Check:
    """One line of a diagnosis."""

    name: str
    ok: bool
    detail: str


class CheckHealth:
    """Runs every probe and looks at every part's last sign of life. Never raises."""

    def __init__(self, store: Store, clock: Clock, probes: Mapping[str, Probe]) -> None:
        self._store = store
        self._clock = clock
        self._probes = probes

    def execute(self) -> tuple[Check, ...]:
        return (*self._parts(), *(self._probe(name, probe) for name, probe in self._probes.items()))

    def _parts(self) -> tuple[Check, ...]:
        try:
            beats = self._store.beats()
        except (LatticeForgeError, OSError) as error:
            return (Check("database", False, str(error)),)
        now = self._clock.now()
        checks = [Check("database", True, "answers")]
        for part in PARTS:
            last = beats.get(part)
            alive = last is not None and now - last < SILENT_AFTER
            detail = (
                "no sign of life yet"
                if last is None
                else f"last sign of life {int((now - last).total_seconds())} s ago"
            )
            checks.append(Check(part, alive, detail))
        return tuple(checks)

    @staticmethod
    def _probe(name: str, probe: Probe) -> Check:
        try:
            return Check(name, True, probe())
        except (LatticeForgeError, OSError) as error:
            return Check(name, False, str(error))
