"""`latticeforge up` with its real parts: each is killed, frozen or refused, and the service goes on or ends whole."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.e2e.service import PARTS, WholeService, until

Up = Callable[..., WholeService]


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    started: list[WholeService] = []

    def start(environment: dict[str, str] | None = None) -> WholeService:
        service = WholeService(tmp_path / "home", environment)
        started.append(service)
        service.await_alive()
        return service

    yield start
    for service in started:
        service.stop()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WholeService]:
    """One service for all tests that leave it as whole as they found it."""
    service = WholeService(tmp_path_factory.mktemp("shared") / "home")
    service.await_alive()
    yield service
    service.stop()


def signs(service: WholeService, part: str) -> str:
    return str(service.checks().get(part, {}).get("detail", ""))


def is_fresh(service: WholeService, part: str) -> bool:
    """Whether the part showed a sign of life within the last seconds."""
    detail = signs(service, part)
    return any(detail == f"last sign of life {seconds} s ago" for seconds in range(5))


def test_every_part_that_is_killed_comes_back_and_the_service_works_on(
    shared: WholeService,
) -> None:
    service = shared
    before = service.pids
    assert set(before) == set(PARTS)
    for part in PARTS:
        service.await_restart(part, service.kill(part))
        assert f"{part} ended (killed by SIGKILL)" in service.said()
    until(lambda: all(is_fresh(service, part) for part in ("worker", "beat", "guard")), 60, "all parts work again")
    assert set(service.pids) == set(PARTS)
    assert all(service.pids[part] != before[part] for part in PARTS)


def test_worker_and_beat_find_a_broker_again_that_was_killed_and_are_not_restarted_for_it(
    shared: WholeService,
) -> None:
    service = shared
    worker, beat = service.pids["worker"], service.pids["beat"]
    for _ in range(2):
        service.await_restart("redis", service.kill("redis"))
        time.sleep(6)  # signs from before the kill are older by now than what counts as fresh
        until(
            lambda: is_fresh(service, "worker") and is_fresh(service, "beat"),
            30,
            "work goes on after the broker's death",
        )
    assert (service.pids["worker"], service.pids["beat"]) == (worker, beat)


def test_a_broker_that_froze_for_a_while_leaves_no_worker_hanging(
    shared: WholeService,
) -> None:
    service = shared
    worker = service.pids["worker"]
    redis = service.kill("redis", signal.SIGSTOP)
    time.sleep(10)  # longer than any wait for the broker
    os.kill(redis, signal.SIGCONT)
    until(lambda: is_fresh(service, "worker") and is_fresh(service, "beat"), 30, "work goes on after the freeze")
    assert service.pids["worker"] == worker


def test_a_frozen_part_is_found_by_its_silence_and_replaced(
    shared: WholeService,
) -> None:
    service = shared
    frozen = service.kill("guard", signal.SIGSTOP)
    service.await_restart("guard", frozen, patience_seconds=60)
    assert "guard has shown no sign of life" in service.said()
    until(lambda: is_fresh(service, "guard"), 60, "the guard works again")


def test_nothing_survives_a_supervisor_that_is_killed(up: Up) -> None:
    service = up()
    parts = service.pids
    service.process.kill()
    service.process.wait()
    until(lambda: not any(is_running(pid) for pid in parts.values()), 10, "all parts end with their supervisor")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_ordered_end_takes_less_than_ten_seconds_and_leaves_nothing(up: Up, number: signal.Signals) -> None:
    service = up()
    parts = service.pids
    started = time.monotonic()
    assert service.stop(number) == 0
    assert time.monotonic() - started < 12
    assert not any(is_running(pid) for pid in parts.values())
    assert not (service.home / "service.json").exists()


def test_a_second_interrupt_ends_everything_at_once(up: Up) -> None:
    service = up()
    parts = service.pids
    for part in ("worker", "guard", "api", "beat"):
        os.kill(parts[part], signal.SIGSTOP)
    service.process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    started = time.monotonic()
    service.stop(signal.SIGINT)
    assert time.monotonic() - started < 4
    assert not any(is_running(pid) for pid in parts.values())


def test_a_second_service_on_the_same_home_is_refused_and_the_first_goes_on(
    shared: WholeService,
) -> None:
    service = shared
    second = subprocess.run(
        [sys.executable, "-m", "workers.up", "--port", "0"],
        env={**os.environ, "LATTICEFORGE_HOME": str(service.home)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert second.returncode == 2
    assert f"process {service.process.pid}, {service.url}" in second.stderr
    assert service.http.get("/healthz").status_code == 200


def test_the_embedded_server_wants_its_password_and_shows_it_to_nobody(
    shared: WholeService,
) -> None:
    service = shared
    command = psutil.Process(service.pids["redis"]).cmdline()
    worker = psutil.Process(service.pids["worker"])
    url = worker.environ()["LATTICEFORGE_REDIS_URL"]
    password = url.split(":")[2].split("@")[0]
    assert len(password) > 20
    everything = " ".join([*command, *worker.cmdline(), service.said(), *logs(service.home)])
    assert password not in everything


def logs(home: Path) -> list[str]:
    return [path.read_text(errors="replace") for path in (home / "logs").iterdir()]


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
