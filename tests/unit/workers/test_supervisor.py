"""The supervisor with real children and a clock that the test turns."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.unit.workers.processes import is_gone
from workers.part import Part
from workers.supervision import SILENT_SECONDS, Supervisor

STUBBORN = ("sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.1; done")


class TurnedClock:
    """Monotonic seconds that pass only when the test says so."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


class Scene:
    """A supervisor, what it said, and what it believes about silence."""

    def __init__(self, logs: Path) -> None:
        self.said: list[str] = []
        self.silence: dict[str, float] = {}
        self.clock = TurnedClock()
        self.logs = logs
        self.supervisor = Supervisor(logs, self.said.append, lambda: self.silence, self.clock)

    def tick_until(self, condition: Callable[[], bool], patience_seconds: float = 10.0) -> None:
        give_up_at = time.monotonic() + patience_seconds
        while not condition():
            assert time.monotonic() < give_up_at, self.said
            self.supervisor.tick()
            time.sleep(0.02)

    def pid(self, name: str) -> int | None:
        return self.supervisor.pids.get(name)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path)
    yield made
    made.supervisor.stop(tuple(made.supervisor.pids), 0.0, lambda: True)


def test_a_part_that_is_killed_is_said_and_started_again_after_its_delay(scene: Scene) -> None:
    scene.supervisor.add(Part("sleeper", ("sleep", "60")))
    first = scene.pid("sleeper")
    assert first is not None
    os.kill(first, signal.SIGKILL)
    scene.tick_until(lambda: bool(scene.said))
    assert scene.said == ["sleeper ended (killed by SIGKILL) after 0 s; it starts again in 0.5 s"]
    scene.clock.seconds += 0.4
    scene.supervisor.tick()
    assert scene.pid("sleeper") is None
    scene.clock.seconds += 0.2
    scene.supervisor.tick()
    assert scene.pid("sleeper") not in {None, first}


def test_a_part_that_dies_at_once_is_said_with_its_last_words_and_waits_longer_each_time(scene: Scene) -> None:
    scene.supervisor.add(Part("broken", ("sh", "-c", "echo no such database; exit 3")))
    for count in range(1, 4):
        scene.tick_until(lambda count=count: len(scene.said) == count)  # type: ignore[misc]
        scene.clock.seconds += 5
    assert scene.said == [
        f"broken ended (exit code 3) after 0 s; it starts again in {delay} s: no such database"
        for delay in ("0.5", "1", "2")
    ]


def test_a_part_that_has_fallen_silent_is_killed_even_when_it_is_frozen_and_starts_again(scene: Scene) -> None:
    scene.supervisor.add(Part("frozen", ("sleep", "60")))
    first = scene.pid("frozen")
    assert first is not None
    os.kill(first, signal.SIGSTOP)
    scene.silence = {"frozen": SILENT_SECONDS + 1}
    scene.supervisor.tick()
    assert scene.said == []  # it has not lived long enough to be called silent
    scene.clock.seconds += SILENT_SECONDS + 1
    scene.supervisor.tick()
    assert "frozen has shown no sign of life for 31 s and is killed" in scene.said
    scene.silence = {}
    scene.tick_until(lambda: len(scene.said) == 2)
    scene.clock.seconds += 1
    scene.supervisor.tick()
    assert scene.pid("frozen") not in {None, first}


def test_an_ordered_stop_lets_a_part_finish_and_leaves_no_process(scene: Scene, tmp_path: Path) -> None:
    polite = "trap 'echo goodbye; exit 0' TERM; echo ready; while :; do sleep 0.05; done"
    scene.supervisor.add(Part("polite", ("sh", "-c", polite)))
    pid = scene.pid("polite")
    assert pid is not None
    scene.tick_until(lambda: "ready" in (tmp_path / "polite.log").read_text())
    scene.supervisor.stop(("polite",), patience_seconds=5.0)
    assert (tmp_path / "polite.log").read_text() == "ready\ngoodbye\n"
    assert is_gone(pid)
    assert scene.supervisor.pids == {}


def test_a_part_that_will_not_stop_is_killed_when_patience_ends(scene: Scene, tmp_path: Path) -> None:
    scene.supervisor.add(Part("stubborn", STUBBORN))
    pid = scene.pid("stubborn")
    assert pid is not None
    scene.tick_until(lambda: "ready" in (tmp_path / "stubborn.log").read_text())
    scene.supervisor.stop(("stubborn",), patience_seconds=0.0)
    assert is_gone(pid)


def test_a_second_call_to_stop_needs_no_patience(scene: Scene, tmp_path: Path) -> None:
    scene.supervisor.add(Part("stubborn", STUBBORN))
    scene.tick_until(lambda: "ready" in (tmp_path / "stubborn.log").read_text())
    started = time.monotonic()
    scene.supervisor.stop(("stubborn",), patience_seconds=60.0, hurry=lambda: True)
    assert time.monotonic() - started < 5


def test_a_part_that_was_stopped_is_not_started_again(scene: Scene) -> None:
    scene.supervisor.add(Part("sleeper", ("sleep", "60")))
    scene.supervisor.stop(("sleeper",), patience_seconds=5.0)
    scene.clock.seconds += 60
    scene.supervisor.tick()
    assert scene.supervisor.pids == {}
    assert scene.said == []


def test_logs_that_have_grown_are_rotated_while_the_part_runs(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.supervision.rotate", lambda log: log.with_name("rotated").touch())
    scene.supervisor.add(Part("sleeper", ("sleep", "60")))
    scene.clock.seconds += 6
    scene.supervisor.tick()
    assert (scene.logs / "rotated").exists()
