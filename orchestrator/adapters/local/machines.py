"""Machines: a lease's keeper and every process that bears the lease's mark."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import psutil

import orchestrator
from orchestrator.adapters.documents import create_document, locked, number, read_document, replace_document
from orchestrator.adapters.local.jobs import last_sign_of_life
from orchestrator.adapters.local.places import LeasePlace, Places
from orchestrator.adapters.local.processes import Identity, Mark, end_marked, marked, marked_leases, start_detached
from orchestrator.domain.errors import ComputeError
from orchestrator.domain.ids import LeaseId, is_lease_id
from orchestrator.domain.lease import Lease
from orchestrator.ports.clock import Clock
from orchestrator.ports.compute import MachineState, MachineView

KEEPER_MODULE = "orchestrator.adapters.local.keeper"
KEEPER_START_SECONDS = 10.0
KEEPER_END_SECONDS = 2.0
POLL_SECONDS = 0.01
CODE_ROOT = Path(orchestrator.__file__).resolve().parents[1]
NO_GPU = "CPU"


class LocalMachines:
    """Launches keepers, looks at what lives, and ends it."""

    def __init__(self, places: Places, clock: Clock, idle_seconds: int) -> None:
        self._places = places
        self._clock = clock
        self._idle_seconds = idle_seconds

    def place(self, lease_id: LeaseId) -> LeasePlace:
        """The lease's folder; `ComputeError` for a name that none of ours can bear."""
        if not is_lease_id(lease_id):
            raise ComputeError(f"{lease_id[:80]!r} is not the name of a lease")
        return self._places.lease(lease_id)

    def launch(self, lease: Lease) -> None:
        """Start the keeper, unless the lease has or had one. It also replaces a keeper that died before its jobs."""
        place = self.place(lease.id)
        place.folder.mkdir(parents=True, exist_ok=True)
        with locked(place.lock):
            if place.closing.exists() or place.ended.exists():
                return
            create_document(place.lease, self._document(lease))
            if self._keeper(place) is None and not (place.keeper.exists() and not marked(self._mark(place))):
                self._start_keeper(place)

    def view(self, lease_id: LeaseId) -> MachineView:
        """READY while the keeper or any marked process lives: what lives costs, whoever watches over it."""
        place = self.place(lease_id)
        # The keeper writes the end before it goes: asked in this order, neither is missed.
        keeper = self._keeper(place)
        ended = read_document(place.ended)
        if ended is not None:
            at = datetime.fromtimestamp(number(ended, "at"), UTC)
            return MachineView(MachineState.GONE, at, str(ended.get("why", "")))
        if keeper is not None:
            return MachineView(MachineState.READY)
        if not place.keeper.exists():
            return MachineView(MachineState.ABSENT)
        if marked(self._mark(place)):
            return MachineView(MachineState.READY, message="the keeper has died; the lease's processes live on")
        return MachineView(MachineState.GONE, self._last_sign_of_life(place), "the keeper has died")

    def listed(self) -> tuple[LeaseId, ...]:
        return tuple(LeaseId(name) for name in sorted(marked_leases(self._places.home)) if is_lease_id(name))

    def extend(self, lease_id: LeaseId, gone_by: datetime) -> None:
        """Rewrite the end that the keeper keeps to; nothing for a lease that is not there any more."""
        place = self.place(lease_id)
        if place.closing.exists() or not place.lease.exists():
            return
        with locked(place.lock):
            document = read_document(place.lease) or {}
            replace_document(place.lease, document | {"gone_by": gone_by.timestamp()})

    def teardown(self, lease_id: LeaseId) -> None:
        """End everything, and keep the lease from being launched ever after. Returns when nothing is left.

        Takes no lock: it must work beside a launch or a submit that hangs. `closing.json` makes both give up.
        """
        place = self.place(lease_id)
        ended_at = self._ended_before(lease_id)
        # A full disk or a torn file must not keep the processes alive: killing needs neither.
        with contextlib.suppress(OSError):
            place.folder.mkdir(parents=True, exist_ok=True)
            create_document(place.closing, {"at": self._clock.now().timestamp(), "why": "teardown"})
        with contextlib.suppress(OSError, ComputeError, psutil.Error):
            self._ask_keeper(place)
        self.end_processes(lease_id)
        at = self._clock.now().timestamp() if ended_at is None else ended_at
        with contextlib.suppress(OSError):
            create_document(place.ended, {"at": at, "why": "teardown"})

    def _ended_before(self, lease_id: LeaseId) -> float | None:
        """When the machine had ended already, in Unix seconds; None while it lives. One that never came ended before
        it began, and costs nothing."""
        try:
            before = self.view(lease_id)
        except (ComputeError, OSError):
            return None
        if before.state is MachineState.ABSENT:
            return 0.0
        return None if before.ended_at is None else before.ended_at.timestamp()

    def end_processes(self, lease_id: LeaseId, *, spare_keeper: bool = False) -> None:
        """Kill all that bears the lease's mark; `ComputeError` when something will not die."""
        place = self.place(lease_id)
        keeper = self._keeper(place) if spare_keeper else None
        survivors = end_marked(self._mark(place), spare=set() if keeper is None else {keeper})
        if survivors:
            raise ComputeError(f"processes of {lease_id} survive SIGKILL: {survivors}")

    def devices(self, lease_id: LeaseId) -> str:
        """The GPUs of the lease, as CUDA_VISIBLE_DEVICES names them: none for a lease of the CPU."""
        document = read_document(self.place(lease_id).lease) or {}
        if document.get("accelerator") == NO_GPU:
            return ""
        count = int(number(document, "accelerator_count"))
        allowed = os.environ.get("CUDA_VISIBLE_DEVICES")
        return ",".join((allowed.split(",") if allowed else [str(index) for index in range(count)])[:count])

    def _document(self, lease: Lease) -> dict[str, str | int | float]:
        return {
            "version": 1,
            "lease_id": lease.id,
            "run_id": lease.run_id,
            "opened_at": lease.opened_at.timestamp(),
            "gone_by": lease.window.gone_by.timestamp(),
            "teardown_seconds": lease.window.allowances.teardown,
            "idle_seconds": self._idle_seconds,
            "accelerator": lease.offer.accelerator,
            "accelerator_count": lease.offer.accelerator_count,
        }

    def _mark(self, place: LeasePlace) -> Mark:
        return Mark(self._places.home, place.lease_id)

    def _keeper(self, place: LeasePlace) -> int | None:
        """The pid of the living keeper."""
        try:
            document = read_document(place.keeper)
            process = None if document is None else Identity.read(document).living(self._mark(place))
        except ComputeError:
            # A torn file names nobody; the keeper, if it lives, is still found by its mark.
            return None
        return None if process is None else process.pid

    def _start_keeper(self, place: LeasePlace) -> None:
        environment = {"PATH": os.defpath, "PYTHONPATH": str(CODE_ROOT), **self._mark(place).environment()}
        command = [sys.executable, "-P", "-m", KEEPER_MODULE, str(place.folder)]
        started = start_detached(command, environment, place.folder, place.keeper_log)
        give_up_at = time.monotonic() + KEEPER_START_SECONDS
        while self._keeper(place) is None and not place.ended.exists():
            if started.living(self._mark(place)) is None or time.monotonic() >= give_up_at:
                raise ComputeError(f"the keeper of {place.lease_id} did not start, see {place.keeper_log}")
            time.sleep(POLL_SECONDS)

    def _ask_keeper(self, place: LeasePlace) -> None:
        document = read_document(place.keeper)
        process = None if document is None else Identity.read(document).living(self._mark(place))
        if process is None:
            return
        process.terminate()
        give_up_at = time.monotonic() + KEEPER_END_SECONDS
        while self._keeper(place) is not None and time.monotonic() < give_up_at:
            time.sleep(POLL_SECONDS)

    def _last_sign_of_life(self, place: LeasePlace) -> datetime:
        """The newest of the keeper's heartbeat and what the lease's jobs show: billing must not fall short."""
        signs = [datetime.fromtimestamp(place.keeper.stat().st_mtime, UTC)]
        lease = read_document(place.lease) or {}
        for job in self._places.jobs(str(lease.get("run_id"))):
            if (read_document(job.job) or {}).get("lease_id") == place.lease_id:
                signs.append(last_sign_of_life(job))
        return max(signs)
