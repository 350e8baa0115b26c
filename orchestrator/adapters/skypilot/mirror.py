"""What was read of a job's log: the node's metrics file, byte for byte, and its completion marker."""

from __future__ import annotations

import json
import re
from enum import StrEnum

from orchestrator.adapters.documents import create_document
from orchestrator.adapters.skypilot.answers import COLOUR
from orchestrator.adapters.skypilot.places import JobNotes

_LINE = re.compile(r'latticeforge:line (\d+) (".*")\s*$')
_EXIT = re.compile(r"latticeforge:exit (\{.*\})\s*$")


class Taken(StrEnum):
    """What one line of the log was."""

    NOTHING = "nothing"
    """None of ours, or known already."""
    METRICS = "metrics"
    GAP = "gap"
    """Lines before it are missing: the log must be read from further back."""
    EXIT = "exit"


class Mirror:
    """Appends what the log tells, each byte once and in order, however often and from wherever it is read anew. One
    process writes at a time."""

    def __init__(self, notes: JobNotes) -> None:
        self._notes = notes

    @property
    def size(self) -> int:
        """How much of the node's file is here, in bytes."""
        return self._notes.metrics.stat().st_size if self._notes.metrics.exists() else 0

    def take(self, text: str) -> Taken:
        plain = COLOUR.sub("", text)
        if (line := _LINE.search(plain)) is not None:
            return self._append(int(line[1]), line[2])
        if (verdict := _EXIT.search(plain)) is not None:
            return self._conclude(verdict[1])
        return Taken.NOTHING

    def _append(self, offset: int, quoted: str) -> Taken:
        size = self.size
        if offset != size:
            return Taken.GAP if offset > size else Taken.NOTHING
        try:
            content = str(json.loads(quoted)).encode("latin-1")
        except (ValueError, UnicodeError):
            return Taken.GAP
        with self._notes.metrics.open("ab") as stream:
            stream.write(content)
        return Taken.METRICS

    def _conclude(self, text: str) -> Taken:
        try:
            document = json.loads(text)
        except ValueError:
            return Taken.NOTHING
        create_document(self._notes.exit, document)
        return Taken.EXIT
