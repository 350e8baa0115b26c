"""Followers: one thread for each job that is asked about, which reads the job's log as it grows.

Any process may be the one that follows; the lock file says which it is. It stops when nobody has asked for a while.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import threading
from collections.abc import Iterator

from orchestrator.adapters.documents import create_document, number, read_document, replace_document
from orchestrator.adapters.skypilot.answers import RequestState, SkyPilotError
from orchestrator.adapters.skypilot.client import RequestId, SkyPilotClient
from orchestrator.adapters.skypilot.machines import SkyMachines
from orchestrator.adapters.skypilot.mirror import Mirror, Taken
from orchestrator.adapters.skypilot.places import JobNotes, SkyPlaces, job_name
from orchestrator.domain.errors import ComputeError
from orchestrator.ports.clock import Clock
from orchestrator.ports.compute import JobKey

log = logging.getLogger(__name__)

START_SECONDS = 90.0
AGAIN_SECONDS = 2.0
UNASKED_SECONDS = 60.0
LAST_LINES = 200
"""Read again where a log goes on: enough for a short break, and little to read twice."""


class Followers:
    """`see_to` makes sure that a job's log is being followed by somebody."""

    def __init__(self, client: SkyPilotClient, machines: SkyMachines, places: SkyPlaces, clock: Clock) -> None:
        self._client = client
        self._machines = machines
        self._places = places
        self._clock = clock
        self._threads: dict[JobKey, threading.Thread] = {}
        self._lock = threading.Lock()
        self._closing = threading.Event()

    def see_to(self, key: JobKey) -> None:
        self._places.job(key).asked.touch()
        with self._lock:
            thread = self._threads.get(key)
            if self._closing.is_set() or (thread is not None and thread.is_alive()):
                return
            thread = threading.Thread(target=self._follow, args=(key,), name=f"follow {key.lease_id}", daemon=True)
            self._threads[key] = thread
            thread.start()

    def close(self) -> None:
        """Let every follower of this process end. Their connections must be closed as well: they wait on them."""
        with self._lock:
            self._closing.set()

    def join(self) -> None:
        for thread in self._threads.values():
            thread.join(AGAIN_SECONDS)

    def _follow(self, key: JobKey) -> None:
        notes = self._places.job(key)
        with _held(notes) as is_ours:
            if not is_ours:
                return
            whole = True
            while self._is_wanted(key, notes):
                try:
                    whole = self._read(key, notes, self._job_id(key, notes), whole) is Taken.GAP
                except (ComputeError, OSError, RuntimeError) as error:
                    # RuntimeError is what a client says that was closed meanwhile.
                    log.info("%s: %s is read again: %s", key.lease_id, job_name(key), error)
                self._closing.wait(AGAIN_SECONDS)

    def _is_wanted(self, key: JobKey, notes: JobNotes) -> bool:
        over = notes.exit.exists() or notes.vanished.exists() or not notes.submitted.exists()
        if over or self._closing.is_set() or self._places.lease(key.lease_id).ended.exists():
            return False
        return self._clock.now().timestamp() - notes.asked.stat().st_mtime < UNASKED_SECONDS

    def _job_id(self, key: JobKey, notes: JobNotes) -> int:
        """The job's number on its cluster, waited for where the request that starts it is still under way."""
        known = read_document(notes.job)
        if known is not None:
            return int(number(known, "job_id"))
        request = RequestId(str((read_document(notes.submitted) or {}).get("request")))
        state = self._client.state(request)
        if state in {RequestState.UNKNOWN, RequestState.FAILED, RequestState.CANCELLED}:
            found = self._by_name(key, notes)
        else:
            answer = self._client.result(request, START_SECONDS)
            found = int(number(answer if isinstance(answer, dict) else {}, "job_id"))
        replace_document(notes.job, {"job_id": found})
        self._machines.arm(key.lease_id)
        return found

    def _by_name(self, key: JobKey, notes: JobNotes) -> int:
        """What became of a request that is not known any more, or failed, is in the cluster's queue, or nowhere; then
        the job counts as never submitted. A second start of it does no harm: the first supervisor has its folder."""
        found = [job.job_id for job in self._client.jobs(key.lease_id) if job.name == job_name(key)]
        if found:
            return max(found)
        notes.submitted.unlink(missing_ok=True)
        raise SkyPilotError(f"{job_name(key)} was not started")

    def _read(self, key: JobKey, notes: JobNotes, job_id: int, whole: bool) -> Taken:
        """Read until the log ends, all of it or its last lines. GAP when it must be read from further back."""
        mirror = Mirror(notes)
        with self._client.logs(key.lease_id, job_id, 0 if whole or mirror.size == 0 else LAST_LINES) as lines:
            for text in lines:
                taken = mirror.take(text)
                if taken in {Taken.GAP, Taken.EXIT} or not self._is_wanted(key, notes):
                    return taken
        self._settle(key, notes, job_id)
        return Taken.NOTHING

    def _settle(self, key: JobKey, notes: JobNotes, job_id: int) -> None:
        """A log that came to its end, of a job that is over, and without a verdict in it: the job left none."""
        over = any(job.job_id == job_id and job.is_over for job in self._client.jobs(key.lease_id))
        if over and not notes.exit.exists():
            create_document(notes.vanished, {"at": self._clock.now().timestamp()})


@contextlib.contextmanager
def _held(notes: JobNotes) -> Iterator[bool]:
    """Whether this thread is the one that follows; the kernel lets go of the lock when its process dies."""
    with notes.follower_lock.open("ab") as stream:
        try:
            fcntl.flock(stream.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
