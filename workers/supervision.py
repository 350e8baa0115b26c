"""Keeps the parts of the service alive: restarts what dies or falls silent, and ends everything in order."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from workers.part import Backoff, Part, ending, kill, last_line, rotate, start

SILENT_SECONDS = 30.0
ROTATE_EVERY_SECONDS = 5.0
POLL_SECONDS = 0.1
_QUICK_DEATH_SECONDS = 10.0

Say = Callable[[str], None]


@dataclass(slots=True)
class _Watched:
    """A part with its process, None while it waits for its next start. Times are monotonic seconds."""

    part: Part
    log: Path
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    start_at: float = 0.0
    backoff: Backoff = field(default_factory=Backoff)


class Supervisor:
    """Call `tick` often, from the main thread. `say` gets one line for each thing that happens to a part; `silence`
    answers with the seconds that a part has shown no sign of life, for the parts of which it can tell."""

    def __init__(
        self,
        logs: Path,
        say: Say,
        silence: Callable[[], Mapping[str, float]] = dict,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._logs = logs
        self._say = say
        self._silence = silence
        self._clock = clock
        self._watched: dict[str, _Watched] = {}
        self._rotated_at = clock()

    @property
    def pids(self) -> dict[str, int]:
        """The processes that are there now, by part."""
        return {name: each.process.pid for name, each in self._watched.items() if each.process is not None}

    def add(self, part: Part) -> None:
        """Start `part` and keep it alive from now on. Parts are ended in the reverse order of this."""
        watched = _Watched(part, self._logs / f"{part.name}.log")
        self._watched[part.name] = watched
        self._start(watched)

    def tick(self) -> None:
        """Look at every part once."""
        now = self._clock()
        silence = self._silence()
        for name, watched in self._watched.items():
            self._look(watched, silence.get(name, 0.0), now)
        if now - self._rotated_at >= ROTATE_EVERY_SECONDS:
            self._rotated_at = now
            for watched in self._watched.values():
                rotate(watched.log)

    def stop(self, names: Sequence[str], patience_seconds: float, hurry: Callable[[], bool] = lambda: False) -> None:
        """End the named parts together: SIGTERM, then SIGKILL after `patience_seconds` or once `hurry` says so."""
        ending_ = [each for name in names if (each := self._watched.pop(name, None)) is not None]
        processes = [each.process for each in ending_ if each.process is not None]
        for process in processes:
            process.send_signal(signal.SIGTERM)
            process.send_signal(signal.SIGCONT)  # a stopped process would not hear the first
        give_up_at = self._clock() + patience_seconds
        while any(process.poll() is None for process in processes):
            if self._clock() >= give_up_at or hurry():
                break
            time.sleep(POLL_SECONDS / 2)
        for process in processes:
            kill(process)
            process.wait()

    def _start(self, watched: _Watched) -> None:
        watched.process = start(watched.part, watched.log)
        watched.started_at = self._clock()

    def _look(self, watched: _Watched, silent_seconds: float, now: float) -> None:
        name, process = watched.part.name, watched.process
        if process is None:
            if now >= watched.start_at:
                self._start(watched)
            return
        lived = now - watched.started_at
        if process.poll() is not None:
            self._mourn(watched, process.returncode, lived)
        elif min(silent_seconds, lived) >= SILENT_SECONDS:
            self._say(f"{name} has shown no sign of life for {silent_seconds:.0f} s and is killed")
            kill(process)

    def _mourn(self, watched: _Watched, returncode: int, lived: float) -> None:
        delay = watched.backoff.after(lived)
        watched.process = None
        watched.start_at = self._clock() + delay
        why = last_line(watched.log) if lived < _QUICK_DEATH_SECONDS and returncode > 0 else ""
        self._say(
            f"{watched.part.name} ended ({ending(returncode)}) after {lived:.0f} s; "
            f"it starts again in {delay:g} s{': ' + why if why else ''}"
        )
