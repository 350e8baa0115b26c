"""The guard's loop: nothing that goes wrong in a round may end it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from orchestrator.bootstrap import Application, build_application, migrate
from orchestrator.settings import Settings
from tests.unit.workers.processes import is_gone
from workers.guard import Stop, watch


def settings(home: Path) -> Settings:
    return Settings(home=home, local_gpus=0, tick_seconds=0.05)


def test_rounds_go_on_after_the_database_failed_and_only_a_good_round_is_a_sign_of_life(tmp_path: Path) -> None:
    stop, real = Stop(), build_application(settings(tmp_path))
    signs: list[object] = []
    rounds = 0

    def application() -> Application:
        nonlocal rounds
        rounds += 1
        if rounds == 3:
            migrate(settings(tmp_path))  # until here there is no table to read
        if rounds > 2:
            signs.append(real.store.beats().get("guard"))
        stop.asked = rounds >= 9
        return real

    watch(application, 0.01, stop)
    assert signs[0] is None
    assert signs[-1] is not None


def test_the_guard_starts_without_any_broker_and_ends_at_once_when_asked(tmp_path: Path) -> None:
    migrate(settings(tmp_path))
    environment = {**os.environ, "LATTICEFORGE_HOME": str(tmp_path), "LATTICEFORGE_LOCAL_GPUS": "0"}
    environment.pop("LATTICEFORGE_REDIS_URL", None)
    with subprocess.Popen([sys.executable, "-m", "workers.guard"], env=environment) as guard:
        store = build_application(settings(tmp_path)).store
        deadline = time.monotonic() + 60
        while "guard" not in store.beats():
            assert time.monotonic() < deadline, "no sign of life"
            time.sleep(0.05)
        guard.send_signal(signal.SIGTERM)
        assert guard.wait(5) == 0
    assert is_gone(guard.pid)
