"""A provider in a simulated world, on a clock that somebody moves. It ships: services are tried and simulated on it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from math import ceil

from orchestrator.adapters.memory.simulated_job import SimulatedFolder, SimulatedJob
from orchestrator.adapters.memory.world import Faults, LaunchFault, World
from orchestrator.domain.errors import ComputeError
from orchestrator.domain.ids import LeaseId
from orchestrator.domain.lease import Lease
from orchestrator.domain.money import ZERO, Money
from orchestrator.domain.offers import Offer
from orchestrator.ports.clock import Clock
from orchestrator.ports.compute import JobKey, JobOrder, JobState, JobView, MachineState, MachineView

NEVER = datetime.fromtimestamp(0, UTC)
"""When a machine ended that was torn down before it was launched: before anything could be billed."""
MOST_LINES = 100
"""Metrics lines that one call shows."""


@dataclass(slots=True)
class _Machine:
    """`offer` is None for a lease that was torn down before it was launched. `ends_at` is when billing stops."""

    offer: Offer | None
    launched_at: datetime
    ready_at: datetime
    gone_by: datetime
    teardown_allowance: float
    stillborn: bool = False
    ends_at: datetime | None = None
    why: str = ""

    def end(self, at: datetime, why: str) -> None:
        """The earliest end counts."""
        if self.ends_at is None or at < self.ends_at:
            self.ends_at, self.why = at, why


class MemoryCompute:
    """The Compute port without a machine. Everything up to `clock.now()` has happened whenever it is asked.

    Machines take `world.provision_seconds` to come; trainings write the lines of the node contract, keep to their
    deadlines and leave checkpoints that the next attempt at the stage resumes from. `faults` says what goes wrong.
    `billed` is the provider's own bill, reckoned apart from the ledger.
    """

    def __init__(self, clock: Clock, world: World | None = None, faults: Faults | None = None) -> None:
        self.world = world or World()
        self.faults = faults or Faults()
        self._clock = clock
        self._machines: dict[LeaseId, _Machine] = {}
        self._jobs: dict[JobKey, SimulatedJob] = {}
        self._folders: dict[tuple[str, str], SimulatedFolder] = {}

    def launch(self, lease: Lease) -> None:
        now = self._reached()
        if lease.id in self._machines:
            return
        fault = self.faults.launches.pop(0) if self.faults.launches else None
        if fault is LaunchFault.REFUSED:
            raise ComputeError("simulated: the launch was refused")
        self._machines[lease.id] = _Machine(
            offer=lease.offer,
            launched_at=now,
            ready_at=now + timedelta(seconds=self.world.provision_seconds),
            gone_by=lease.window.gone_by,
            teardown_allowance=lease.window.allowances.teardown,
            stillborn=fault is LaunchFault.STILLBORN,
        )
        if fault is LaunchFault.UNKNOWN:
            raise ComputeError("simulated: the answer to the launch was lost")
        self._answered()

    def machine(self, lease_id: LeaseId) -> MachineView:
        now = self._reached()
        machine = self._machines.get(lease_id)
        if machine is None:
            return MachineView(MachineState.ABSENT)
        if machine.ends_at is not None and machine.ends_at <= now:
            ended_at = NEVER if machine.offer is None else machine.ends_at
            return MachineView(MachineState.GONE, ended_at, machine.why)
        return MachineView(MachineState.READY if machine.ready_at <= now else MachineState.COMING)

    def list_leases(self) -> tuple[LeaseId, ...]:
        now = self._reached()
        return tuple(sorted(lease for lease, machine in self._machines.items() if _costs(machine, now)))

    def submit(self, order: JobOrder) -> None:
        now = self._reached()
        if order.key in self._jobs:
            return
        machine = self._machines.get(order.key.lease_id)
        if machine is None or machine.ends_at is not None or machine.ready_at > now:
            raise ComputeError(f"simulated: nothing can be started on {order.key.lease_id}")
        place = (order.key.run_id, order.key.stage_id)
        folder = self._folders.setdefault(place, SimulatedFolder(f"/simulated/{'/'.join(place)}/output"))
        self._jobs[order.key] = SimulatedJob(order, self.world, self.faults, folder, now)
        self._answered()

    def job(self, key: JobKey, offset: int) -> JobView:
        self._reached()
        job = self._jobs.get(key)
        if job is None:
            return JobView(JobState.UNKNOWN_JOB, next_offset=offset)
        unread = [(start, line) for start, line in job.metrics.lines if start >= offset]
        lines = tuple(line for _, line in unread[:MOST_LINES])
        more = len(unread) > MOST_LINES
        next_offset = unread[MOST_LINES][0] if more else max(job.metrics.size, offset)
        if job.exit is None or more:
            return JobView(JobState.RUNNING, lines, next_offset)
        return JobView(JobState.EXITED, lines, next_offset, job.exit)

    def request_stop(self, key: JobKey) -> None:
        self._reached()
        if key in self._jobs:
            self._jobs[key].ask_to_stop()
        self._answered()

    def move_deadlines(self, key: JobKey, soft: datetime, hard: datetime) -> None:
        self._reached()
        if key in self._jobs:
            self._jobs[key].move(soft, hard)
        self._answered()

    def extend(self, lease_id: LeaseId, gone_by: datetime) -> None:
        self._reached()
        machine = self._machines.get(lease_id)
        if machine is not None and machine.ends_at is None:
            machine.gone_by = gone_by
        self._answered()

    def teardown(self, lease_id: LeaseId) -> None:
        now = self._reached()
        machine = self._machines.setdefault(lease_id, _Machine(None, now, now, now, 0.0))
        wait = 0.0 if machine.offer is None else self.world.teardown_seconds
        if machine.ends_at is None:
            machine.end(now + timedelta(seconds=wait), "teardown")
        self._end_jobs(lease_id, now)
        self._answered()

    def orders(self) -> tuple[JobOrder, ...]:
        """Every job that was started, in order."""
        return tuple(job.order for job in self._jobs.values())

    def billed(self, lease_id: LeaseId) -> Money:
        """What the provider has charged for the lease by now, in whole billing quanta; nothing for one unknown."""
        now = self._settle(self._clock.now())
        machine = self._machines.get(lease_id)
        if machine is None or machine.offer is None:
            return ZERO
        until = now if machine.ends_at is None else min(machine.ends_at, now)
        used = Fraction((until - machine.launched_at) / timedelta(microseconds=1)) / 1_000_000
        if used <= 0:
            return ZERO
        quanta = ceil(max(used, Fraction(machine.offer.minimum_seconds)) / machine.offer.billing_quantum_seconds)
        seconds = quanta * machine.offer.billing_quantum_seconds
        return Money(ceil(Fraction(machine.offer.rate.micros_per_hour * seconds, 3600)))

    def _reached(self) -> datetime:
        """The time, with the world brought up to it; `ComputeError` while the provider cannot be reached."""
        now = self._settle(self._clock.now())
        if self.faults.unreachable_until is not None and now < self.faults.unreachable_until:
            raise ComputeError("simulated: the provider cannot be reached")
        return now

    def _answered(self) -> None:
        if self.faults.lost_answers > 0:
            self.faults.lost_answers -= 1
            raise ComputeError("simulated: the answer was lost")

    def _settle(self, now: datetime) -> datetime:
        """Let everything happen that happens up to `now`."""
        for lease_id, machine in self._machines.items():
            self._end_when_due(lease_id, machine, now)
            stopped_at = machine.ends_at
            if stopped_at is not None and stopped_at <= now:
                self._end_jobs(lease_id, stopped_at)
        for job in self._jobs.values():
            job.live_until(now)
        return now

    def _end_when_due(self, lease_id: LeaseId, machine: _Machine, now: datetime) -> None:
        """The first thing that ended the machine up to `now`, unless it had ended before."""
        if machine.ends_at is not None and machine.ends_at <= now:
            return
        ends = [(at, bills_until, why) for at, bills_until, why in self._ends(lease_id, machine) if at <= now]
        if ends:
            at, bills_until, why = min(ends)
            machine.end(bills_until, why)
            self._end_jobs(lease_id, at)

    def _ends(self, lease_id: LeaseId, machine: _Machine) -> Iterator[tuple[datetime, datetime, str]]:
        """What may end the machine: when its jobs end, when its bill ends, and why."""
        if lease_id in self.faults.lost_at:
            yield self.faults.lost_at[lease_id], self.faults.lost_at[lease_id], "lost"
        if machine.stillborn:
            yield machine.ready_at, machine.ready_at, "never became ready"
        if not self.faults.deaf_to_gone_by:
            at = max(machine.gone_by - timedelta(seconds=machine.teardown_allowance), machine.launched_at)
            yield at, at + timedelta(seconds=self.world.teardown_seconds), "gone_by"

    def _end_jobs(self, lease_id: LeaseId, at: datetime) -> None:
        for key, job in self._jobs.items():
            if key.lease_id == lease_id:
                job.live_until(at)
                job.vanish(at)


def _costs(machine: _Machine, now: datetime) -> bool:
    return machine.offer is not None and (machine.ends_at is None or machine.ends_at > now)
