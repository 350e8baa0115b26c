"""Processes: started for nobody, told apart, ended all together. And when a keeper decides to."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from orchestrator.adapters.documents import replace_document
from orchestrator.adapters.local.keeper import Clocks, Keeper
from orchestrator.adapters.local.places import LeasePlace
from orchestrator.adapters.local.processes import Identity, Mark, end_marked, marked, marked_leases, start_detached
from orchestrator.domain.errors import ComputeError


@pytest.fixture
def mark(tmp_path: Path) -> Iterator[Mark]:
    made = Mark(tmp_path, "lf-000000000001-1")
    yield made
    assert end_marked(made) == []


def start(mark: Mark, script: str) -> Identity:
    environment = {"PATH": os.environ["PATH"], **mark.environment()}
    return start_detached(["/bin/sh", "-c", script], environment, mark.home, mark.home / "log")


def wait(condition: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < give_up_at
        time.sleep(0.01)


def test_a_detached_process_is_nobodys_child(mark: Mark) -> None:
    identity = start(mark, "echo hello; sleep 60")
    process = identity.living(mark)
    assert process is not None
    assert process.ppid() != os.getpid()
    assert os.getsid(identity.pid) == identity.pid != os.getsid(0)
    wait(lambda: (mark.home / "log").read_text() == "hello\n")


def test_a_program_that_cannot_start_is_an_error_that_says_why(mark: Mark) -> None:
    with pytest.raises(ComputeError, match="No such file"):
        start_detached(["/no/such/program"], {}, mark.home, mark.home / "log")


def test_a_zombie_has_ended(mark: Mark) -> None:
    with subprocess.Popen([sys.executable, "-c", ""], env=mark.environment()) as child:
        identity = Identity.of(child.pid)
        wait(lambda: psutil.Process(child.pid).status() == psutil.STATUS_ZOMBIE)
        assert identity.living(mark) is None
        assert marked(mark) == []


def test_another_process_with_the_same_pid_is_not_the_same(mark: Mark) -> None:
    mine = Identity.of(os.getpid())
    assert mine.living(mark) is not None
    assert replace(mine, create_time=mine.create_time - 60).living(mark) is None
    assert Identity.of(2**22 + 1).living(mark) is None


def test_a_process_is_still_known_after_the_system_clock_was_set(mark: Mark) -> None:
    identity = start(mark, "sleep 60")
    assert replace(identity, create_time=identity.create_time - 3600).living(mark) is not None


def test_everything_of_a_lease_dies_and_nothing_else(mark: Mark, tmp_path: Path) -> None:
    other_home = Mark(tmp_path / "other", mark.lease_id)
    other_lease = Mark(tmp_path, "lf-000000000001-2")
    (tmp_path / "other").mkdir()
    spared = [start(other_home, "sleep 60"), start(other_lease, "sleep 60")]
    try:
        # Children, one in a session of its own, one that cleaned its environment, one that hears no signal.
        start(mark, "sleep 60 & setsid sleep 60 & env -i /bin/sleep 60 & trap '' TERM HUP INT; sleep 60 & wait")
        wait(lambda: len(marked(mark)) >= 4)
        assert marked_leases(tmp_path) == {mark.lease_id, other_lease.lease_id}
        before = {process.pid for one in marked(mark) for process in (one, *one.children(recursive=True))}
        assert len(before) == 5
        assert end_marked(mark) == []
        assert not any(_runs(pid) for pid in before)
        assert all(one.living(place) for one, place in zip(spared, (other_home, other_lease), strict=True))
    finally:
        end_marked(other_home)
        end_marked(other_lease)


def test_a_process_that_multiplies_is_ended_too(mark: Mark) -> None:
    start(mark, "while true; do sleep 30 & sleep 0.001; done")
    wait(lambda: len(marked(mark)) > 20)
    assert end_marked(mark) == []
    time.sleep(0.1)
    assert marked(mark) == []


def _runs(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


class Watch:
    """A keeper over a lease file, with clocks that are moved by hand."""

    def __init__(self, home: Path, idle_seconds: float = 1000) -> None:
        self.place = LeasePlace(home / "leases" / "lf-000000000001-1")
        self.place.folder.mkdir(parents=True)
        self.wall, self.monotonic = 1000.0, 5.0
        self.idle_seconds = idle_seconds
        self.write(gone_by=1100.0)
        self.keeper = Keeper(self.place, Clocks(lambda: self.wall, lambda: self.monotonic), lambda: False)

    def write(self, gone_by: float) -> None:
        terms = {"gone_by": gone_by, "teardown_seconds": 10, "idle_seconds": self.idle_seconds}
        replace_document(self.place.lease, terms)

    def after(self, wall: float, monotonic: float) -> str | None:
        self.wall, self.monotonic = self.wall + wall, self.monotonic + monotonic
        return self.keeper.reason_to_end()


def test_a_keeper_ends_its_lease_the_teardown_allowance_before_it_must_be_gone(tmp_path: Path) -> None:
    watch = Watch(tmp_path)
    assert watch.after(0, 0) is None
    assert watch.after(89.9, 89.9) is None
    assert watch.after(0.1, 0.1) == "gone_by"


def test_a_clock_that_steps_back_buys_no_time(tmp_path: Path) -> None:
    watch = Watch(tmp_path)
    assert watch.after(0, 0) is None
    assert watch.after(-3600, 89) is None
    assert watch.after(1, 1) == "gone_by"


def test_a_clock_that_steps_forward_is_believed(tmp_path: Path) -> None:
    watch = Watch(tmp_path)
    assert watch.after(0, 0) is None
    assert watch.after(3600, 1) == "gone_by"


def test_a_keeper_follows_an_extension(tmp_path: Path) -> None:
    watch = Watch(tmp_path)
    assert watch.after(50, 50) is None
    watch.write(gone_by=1200)
    assert watch.after(100, 100) is None
    assert watch.after(40, 40) == "gone_by"


def test_a_keeper_ends_what_it_can_no_longer_keep_to(tmp_path: Path) -> None:
    watch = Watch(tmp_path)
    watch.place.lease.write_text("{")
    assert watch.after(0, 0) == "lease_unreadable"


def test_a_keeper_counts_idle_time_from_the_last_job_seen(tmp_path: Path) -> None:
    watch = Watch(tmp_path, idle_seconds=20)
    watch.write(gone_by=9000)
    mark = Mark(tmp_path, "lf-000000000001-1")
    assert watch.after(19, 19) is None
    start(mark, "sleep 60")
    assert watch.after(19, 19) is None
    assert end_marked(mark) == []
    assert watch.after(19, 19) is None
    assert watch.after(1, 1) == "idle"
