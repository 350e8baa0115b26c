"""Machines: a lease is a cluster of SkyPilot's that bears its name. What a lost answer did is found by listing."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime

from orchestrator.adapters.documents import create_document, locked, number, read_document, replace_document
from orchestrator.adapters.skypilot.answers import Cluster, RequestState, SkyPilotError
from orchestrator.adapters.skypilot.client import RequestId, SkyPilotClient
from orchestrator.adapters.skypilot.places import LeaseNotes, SkyPlaces
from orchestrator.adapters.skypilot.tasks import (
    SLURM,
    WITHOUT_AUTODOWN,
    NodeSetup,
    accelerator_of,
    launch_task,
    move_end_task,
)
from orchestrator.domain.ids import LeaseId, is_lease_id
from orchestrator.domain.json_value import JsonValue
from orchestrator.domain.lease import Lease
from orchestrator.ports.clock import Clock
from orchestrator.ports.compute import MachineState, MachineView

REFRESH_SECONDS = 15.0
"""How long SkyPilot's own list is believed of a machine that was ready, before the provider is asked."""
DOWN_SECONDS = 25.0
"""How long a teardown is waited for: 6 s idle and 15 s on a busy machine were seen on Slurm. One that takes longer goes
on, and is asked about again: a worker that waits longer would be taken for dead."""
FAILURE_SECONDS = 5.0
NEVER = 0.0
"""When a machine ended that never came: before anything could be billed."""
NO_CLUSTER = "ClusterDoesNotExist"
LAUNCH_SLACK_SECONDS = 60.0
"""A cluster in the cost report that began earlier than this before its launch was asked for is another's."""


class SkyMachines:
    """Launches, looks at and ends clusters; their notes say what was asked of whom."""

    def __init__(self, client: SkyPilotClient, places: SkyPlaces, node: NodeSetup, clock: Clock) -> None:
        self._client = client
        self._places = places
        self._node = node
        self._clock = clock

    def launch(self, lease: Lease) -> None:
        """Ask for the cluster, unless it was asked for and SkyPilot still knows it."""
        notes = self._places.lease(lease.id)
        notes.folder.mkdir(parents=True, exist_ok=True)
        with locked(notes.lock):
            if notes.closing.exists() or notes.ended.exists() or notes.ready.exists():
                return
            if not create_document(notes.launch, self._launch_note(lease)) and self._is_under_way(notes):
                return
            minutes = self._minutes_left(notes)
            request = self._client.launch(lease.id, launch_task(lease.offer, minutes, self._node))
            replace_document(notes.launch, {**self._launch_note(lease), "request": request})
        if notes.closing.exists():
            # The end was decided while the launch was being asked for, and may have looked before it was there.
            self.teardown(lease.id)

    def view(self, lease_id: LeaseId) -> MachineView:
        notes = self._places.lease(lease_id)
        if (ended := read_document(notes.ended)) is not None:
            return MachineView(MachineState.GONE, _moment(ended), str(ended.get("why", "")))
        launch = read_document(notes.launch)
        if launch is None:
            return MachineView(MachineState.ABSENT)
        request = self._request_state(launch)
        cluster = self._cluster(notes)
        if cluster is None:
            return self._without_cluster(notes, launch, request)
        if cluster.status == "UP" and not request.is_open and not _has_failed(request):
            self._mark_ready(notes)
            return MachineView(MachineState.READY)
        if notes.ready.exists():
            return MachineView(MachineState.READY, message=f"SkyPilot calls it {cluster.status}")
        if not request.is_open:
            # A launch that failed leaves what it had begun: it is given back, and costs until it is gone.
            self._give_back(notes)
            return MachineView(MachineState.COMING, message=self._failure(launch))
        return MachineView(MachineState.COMING)

    def listed(self) -> tuple[LeaseId, ...]:
        ours = {
            each.name for each in self._client.clusters() if each.user == self._client.user and is_lease_id(each.name)
        }
        coming = {notes.lease_id for notes in self._places.leases() if self._is_coming(notes)}
        return tuple(LeaseId(name) for name in sorted(ours | coming))

    def extend(self, lease_id: LeaseId, gone_by: datetime) -> None:
        """Move the provider's side: SkyPilot's own end, and the scheduler's. One that has come is done at once."""
        notes = self._places.lease(lease_id)
        if notes.closing.exists() or notes.ended.exists() or not notes.launch.exists():
            return
        with locked(notes.lock):
            launch = read_document(notes.launch) or {}
            if launch.get("gone_by") == gone_by.timestamp() and launch.get("armed_by") == gone_by.timestamp():
                return
            replace_document(notes.launch, launch | {"gone_by": gone_by.timestamp()})
            if self._seconds_left(notes) > 0:
                self._move_end(notes)
                replace_document(notes.launch, launch | dict.fromkeys(("gone_by", "armed_by"), gone_by.timestamp()))
                return
        self.teardown(lease_id)

    def teardown(self, lease_id: LeaseId) -> None:
        """Takes no lock: it must work beside a launch or a submit that hangs."""
        notes = self._places.lease(lease_id)
        notes.folder.mkdir(parents=True, exist_ok=True)
        create_document(notes.closing, {"at": self._now(), "why": "teardown"})
        launch = read_document(notes.launch)
        if launch is not None and not notes.ended.exists() and self._request_state(launch).is_open:
            # What it has made so far stays, and goes with the cluster.
            with contextlib.suppress(SkyPilotError):
                self._client.cancel_request(_request_of(launch))
        present = bool(self._client.clusters((lease_id,)))
        if present or (launch is not None and not notes.ended.exists()):
            self._down(notes)
        if self._client.clusters((lease_id,)):
            raise SkyPilotError(f"{lease_id} is still in SkyPilot's list")
        # What was never asked for ended before it began, and costs nothing.
        self._end(notes, NEVER if launch is None and not present else self._now(), "teardown")

    def accelerators(self, lease_id: LeaseId) -> dict[str, JsonValue]:
        """What the lease's machine has, as it was asked for."""
        found = (read_document(self._places.lease(lease_id).launch) or {}).get("accelerators")
        return found if isinstance(found, dict) else {}

    def arm(self, lease_id: LeaseId) -> None:
        """Count SkyPilot's end anew from now: a job that begins has set its timer back."""
        notes = self._places.lease(lease_id)
        if (read_document(notes.launch) or {}).get("provider") not in WITHOUT_AUTODOWN:
            self._client.autostop(lease_id, self._minutes_left(notes))

    def _launch_note(self, lease: Lease) -> dict[str, JsonValue]:
        return {
            "version": 1,
            "at": self._now(),
            "gone_by": lease.window.gone_by.timestamp(),
            "teardown_seconds": lease.window.allowances.teardown,
            "provider": lease.offer.provider,
            "accelerators": {accelerator_of(lease.offer): lease.offer.accelerator_count},
        }

    def _is_under_way(self, notes: LeaseNotes) -> bool:
        """Whether an earlier launch still counts: a failed one does, since it is the view that says so."""
        if self._request_state(read_document(notes.launch) or {}) is not RequestState.UNKNOWN:
            return True
        return self._cluster(notes) is not None or self._cost_end(notes) is not None

    def _without_cluster(self, notes: LeaseNotes, launch: dict[str, JsonValue], request: RequestState) -> MachineView:
        if request.is_open:
            return MachineView(MachineState.COMING)
        cost_end = self._cost_end(notes)
        if request is RequestState.UNKNOWN and cost_end is None and not notes.ready.exists():
            return MachineView(MachineState.ABSENT)
        why = self._failure(launch) if _has_failed(request) else "the provider does not show it any more"
        never_came = _has_failed(request) and cost_end is None and not notes.giving_back.exists()
        at = NEVER if never_came else cost_end or self._now()
        self._end(notes, at, why)
        return MachineView(MachineState.GONE, datetime.fromtimestamp(at, UTC), why)

    def _cluster(self, notes: LeaseNotes) -> Cluster | None:
        if notes.ready.exists() and self._is_stale(notes):
            # Not waited for: asking the provider takes seconds, and what it says is in the list at the next look.
            self._client.refresh(notes.lease_id)
            notes.refreshed.touch()
        found = self._client.clusters((notes.lease_id,))
        return found[0] if found else None

    def _is_stale(self, notes: LeaseNotes) -> bool:
        try:
            return self._now() - notes.refreshed.stat().st_mtime >= REFRESH_SECONDS
        except FileNotFoundError:
            return True

    def _is_coming(self, notes: LeaseNotes) -> bool:
        if notes.ended.exists() or notes.ready.exists():
            return False
        launch = read_document(notes.launch)
        return launch is not None and self._request_state(launch).is_open

    def _request_state(self, launch: dict[str, JsonValue]) -> RequestState:
        request = launch.get("request")
        return self._client.state(_request_of(launch)) if request else RequestState.UNKNOWN

    def _failure(self, launch: dict[str, JsonValue]) -> str:
        try:
            self._client.result(_request_of(launch), FAILURE_SECONDS)
        except SkyPilotError as error:
            return str(error)
        return "the launch did not end well"

    def _mark_ready(self, notes: LeaseNotes) -> None:
        if create_document(notes.ready, {"at": self._now()}):
            notes.refreshed.touch()
            # The timer that the launch armed began when the machine came; the window began before.
            self.arm(notes.lease_id)

    def _give_back(self, notes: LeaseNotes) -> RequestId:
        """Ask for the cluster's end, unless it was asked for and is under way; does not wait for it."""
        before = read_document(notes.giving_back)
        if before is not None and self._request_state(before).is_open:
            return _request_of(before)
        request = self._client.down(notes.lease_id)
        replace_document(notes.giving_back, {"request": request, "at": self._now()})
        return request

    def _down(self, notes: LeaseNotes) -> None:
        try:
            self._client.result(self._give_back(notes), DOWN_SECONDS)
        except SkyPilotError as error:
            if error.kind != NO_CLUSTER:
                raise

    def _move_end(self, notes: LeaseNotes) -> None:
        self.arm(notes.lease_id)
        launch = read_document(notes.launch) or {}
        if launch.get("provider") == SLURM:
            ends_at = number(launch, "gone_by") - number(launch, "teardown_seconds")
            self._client.execute(notes.lease_id, move_end_task(ends_at))

    def _cost_end(self, notes: LeaseNotes) -> float | None:
        """When the cost report says that the lease's cluster ended, in Unix seconds; None if it never was."""
        asked_at = number(read_document(notes.launch) or {}, "at")
        ends = [
            cost.launched_at + cost.seconds
            for cost in self._client.costs()
            if cost.name == notes.lease_id and cost.launched_at >= asked_at - LAUNCH_SLACK_SECONDS
        ]
        return max(ends, default=None)

    def _seconds_left(self, notes: LeaseNotes) -> float:
        launch = read_document(notes.launch) or {}
        return number(launch, "gone_by") - number(launch, "teardown_seconds") - self._now()

    def _minutes_left(self, notes: LeaseNotes) -> int:
        """Whole minutes are the finest that SkyPilot and Slurm know; one is the least."""
        return max(int(self._seconds_left(notes) // 60), 1)

    def _end(self, notes: LeaseNotes, at: float, why: str) -> None:
        create_document(notes.ended, {"at": at, "why": why})

    def _now(self) -> float:
        return self._clock.now().timestamp()


def _has_failed(request: RequestState) -> bool:
    return request in {RequestState.FAILED, RequestState.CANCELLED}


def _request_of(note: dict[str, JsonValue]) -> RequestId:
    return RequestId(str(note.get("request")))


def _moment(ended: dict[str, JsonValue]) -> datetime:
    return datetime.fromtimestamp(number(ended, "at"), UTC)
