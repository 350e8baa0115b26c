"""One part of the service, with real child processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.unit.workers.processes import is_gone
from workers.part import Backoff, Part, ending, kill, last_line, rotate, start

PARENT = """
import pathlib, subprocess, sys, time
from tests.unit.workers.processes import is_gone
from workers.part import Part, start
child = start(Part("child", ("sleep", "60")), pathlib.Path(sys.argv[1]))
print(child.pid, flush=True)
time.sleep(60)
"""


def test_a_part_dies_with_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PARENT, str(tmp_path / "log")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as supervisor:
        assert supervisor.stdout is not None
        child = int(supervisor.stdout.readline())
        assert psutil.pid_exists(child)
        supervisor.kill()
        assert is_gone(child)


def test_a_part_is_the_program_itself_and_not_a_wrapper_around_it(tmp_path: Path) -> None:
    process = start(Part("sleeper", ("sleep", "60")), tmp_path / "log")
    try:
        deadline = time.monotonic() + 5
        while psutil.Process(process.pid).cmdline() != ["sleep", "60"] and time.monotonic() < deadline:
            time.sleep(0.02)
        assert psutil.Process(process.pid).cmdline() == ["sleep", "60"]
        assert os.getsid(process.pid) == process.pid
    finally:
        kill(process)
        process.wait()


def test_what_a_part_is_told_comes_through_its_standard_input_and_what_it_says_goes_to_its_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    process = start(Part("cat", ("cat",), stdin=b"a secret\n"), log)
    assert process.wait(10) == 0
    assert log.read_text() == "a secret\n"


def test_a_program_that_does_not_exist_is_said_in_the_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert start(Part("nothing", ("/does/not/exist",)), log).wait(10) == 127
    assert last_line(log) == "/does/not/exist: No such file or directory"


def test_a_log_grows_on_after_it_was_rotated_under_its_writer(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("ab", buffering=0) as writer:
        writer.write(b"x" * 100)
        rotate(log, most_bytes=50)
        writer.write(b"later\n")
    assert log.read_bytes() == b"later\n"
    assert (tmp_path / "log.1").read_bytes() == b"x" * 100


def test_a_small_or_missing_log_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("short")
    rotate(tmp_path / "log", most_bytes=50)
    rotate(tmp_path / "none", most_bytes=50)
    assert [path.name for path in tmp_path.iterdir()] == ["log"]


def test_delays_double_to_half_a_minute_and_start_anew_after_a_settled_life() -> None:
    backoff = Backoff()
    assert [backoff.after(1.0) for _ in range(8)] == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert backoff.after(31.0) == 0.5
    assert backoff.after(1.0) == 1


@pytest.mark.parametrize(
    ("returncode", "words"), [(0, "exit code 0"), (3, "exit code 3"), (-signal.SIGKILL, "killed by SIGKILL")]
)
def test_an_exit_status_is_said_in_words(returncode: int, words: str) -> None:
    assert ending(returncode) == words
