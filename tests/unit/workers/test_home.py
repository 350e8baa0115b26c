"""The service's folder and its listening socket."""

from __future__ import annotations

import json
import socket
import stat
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from workers.home import AlreadyRunningError, announce, held, withdraw
from workers.listening import listen, url_of

HOLDER = """
import pathlib, sys, time
from workers.home import held
with held(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_home_is_made_for_its_user_alone(tmp_path: Path) -> None:
    home = tmp_path / "a" / "home"
    with held(home):
        assert stat.S_IMODE(home.stat().st_mode) == 0o700


def test_a_second_service_on_the_same_home_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        announce(tmp_path, "http://127.0.0.1:8123", datetime(2026, 1, 1, tzinfo=UTC))
        with pytest.raises(AlreadyRunningError, match=r"process \d+, http://127\.0\.0\.1:8123"), held(tmp_path):
            pass
        holder.kill()
        holder.wait()
    with held(tmp_path):
        pass


def test_the_address_is_announced_for_clients_and_withdrawn(tmp_path: Path) -> None:
    announce(tmp_path, "http://127.0.0.1:8123", datetime(2026, 1, 1, tzinfo=UTC))
    service = json.loads((tmp_path / "service.json").read_text())
    assert service["url"] == "http://127.0.0.1:8123"
    assert service["started_at"] == "2026-01-01T00:00:00+00:00"
    withdraw(tmp_path)
    withdraw(tmp_path)
    assert not (tmp_path / "service.json").exists()


def test_a_port_that_is_taken_is_passed_over_for_the_next_free_one() -> None:
    with listen("127.0.0.1", 0) as first:
        taken = first.getsockname()[1]
        with listen("127.0.0.1", taken) as second:
            assert taken < second.getsockname()[1] <= taken + 50


def test_an_address_that_is_not_ours_is_refused_at_once() -> None:
    with pytest.raises(OSError, match="assign"):
        listen("192.0.2.1", 8000)


def test_connections_wait_in_the_queue_while_nobody_accepts() -> None:
    with listen("127.0.0.1", 0) as listener:
        with socket.create_connection(listener.getsockname(), timeout=2) as client:
            accepted, _ = listener.accept()
            with accepted:
                assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
                accepted.sendall(b"hello")
            assert client.recv(5) == b"hello"
        assert url_of(listener) == f"http://127.0.0.1:{listener.getsockname()[1]}"
