"""One job of the simulated world: what a node would write, and when, after docs/node-contract.md."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from orchestrator.adapters.memory.world import Faults, World, loss_after
from orchestrator.domain.json_value import JsonValue
from orchestrator.domain.stages import ExitCause, StageExit, StageKind
from orchestrator.ports.compute import JobOrder


@dataclass(slots=True)
class SimulatedFolder:
    """What attempts at one stage share: the newest complete checkpoint, as its step (0 = none)."""

    path: str
    checkpoint_step: int = 0

    @property
    def checkpoint(self) -> str | None:
        return f"{self.path}/checkpoint-{self.checkpoint_step}" if self.checkpoint_step else None


@dataclass(slots=True)
class MetricsFile:
    """Lines with the byte offsets they would have on a disk."""

    lines: list[tuple[int, Mapping[str, JsonValue]]] = field(default_factory=list)
    size: int = 0

    def append(self, event: str, at: datetime, fields: Mapping[str, JsonValue]) -> None:
        line: dict[str, JsonValue] = {"event": event, "at": at.timestamp(), **fields}
        self.lines.append((self.size, line))
        self.size += len(json.dumps(line).encode()) + 1


class SimulatedJob:
    """Runs in simulated time: `live_until` lets everything happen that happens up to a moment."""

    def __init__(self, order: JobOrder, world: World, faults: Faults, folder: SimulatedFolder, now: datetime) -> None:
        self.order = order
        self.soft = order.soft_deadline
        self.hard = order.hard_deadline
        self.metrics = MetricsFile()
        self.exit: StageExit | None = None
        self._world = world
        self._faults = faults
        self._folder = folder
        self._now = now
        self._stop = False
        self._moved = False
        train = order.document.get("train")
        self._train: Mapping[str, JsonValue] = train if isinstance(train, dict) else {}
        if order.kind is StageKind.TRAIN and self._train.get("resume_from") != "latest":
            folder.checkpoint_step = 0  # a fresh start never takes older checkpoints for its own
        self._step = folder.checkpoint_step
        self._begun_at = now
        configured = (order.config or {}).get("max_steps")
        self._intended = configured if isinstance(configured, int) else world.intended_steps
        self._max_steps = self._intended
        # A generator is the job's own thread: each value is the next moment at which something happens.
        lives = {StageKind.TRAIN: self._training, StageKind.MERGE: self._merging, StageKind.EVALUATE: self._evaluating}
        self._life = lives[order.kind]()
        self._next: datetime | None = now
        self._step_of_life()

    def live_until(self, moment: datetime) -> None:
        """Let time pass up to `moment`."""
        while self.exit is None and self._next is not None and min(self._next, self._end_at()) <= moment:
            if self._end_at() < self._next:
                self._leave(ExitCause.HARD_DEADLINE, self._end_at())
            else:
                self._now = self._next
                self._step_of_life()

    def ask_to_stop(self) -> None:
        self._stop = True

    def move(self, soft: datetime, hard: datetime) -> None:
        self._moved = self._moved or (soft, hard) != (self.soft, self.hard)
        self.soft, self.hard = soft, hard

    def vanish(self, at: datetime) -> None:
        """The machine went away under the job."""
        if self.exit is None:
            self.exit = StageExit(ExitCause.VANISHED, at, message="left no marker")

    def _step_of_life(self) -> None:
        self._next = next(self._life, None)

    def _end_at(self) -> datetime:
        return datetime.max.replace(tzinfo=self.hard.tzinfo) if self._faults.deaf_to_hard else max(self.hard, self._now)

    def _after(self, seconds: float) -> datetime:
        return self._now + timedelta(seconds=seconds)

    def _write(self, event: str, **fields: JsonValue) -> None:
        self.metrics.append(event, self._now, fields)

    def _training(self) -> Iterator[datetime]:
        yield from self._preparing()
        self._write("begin", pid=1, step=self._step, max_steps=self._max_steps, world_size=1, device="simulated")
        self._begun_at = self._now
        pilot_ends = self._step + int(str(self._train.get("pilot_steps", 6)))
        while self._step < self._max_steps:
            if (reason := self._reason_to_stop()) is not None:
                yield from self._stopping(reason)
                return
            yield self._after(self._world.seconds_per_step)
            self._step += 1
            self._write_step()
            if self._crashes():
                self._leave(ExitCause.FAILED, self._now, f"simulated crash at step {self._step}")
                return
            self._size(pilot_ends)
            if self._step % self._world.steps_per_checkpoint == 0:
                self._save(0.0)
        yield self._after(self._world.checkpoint_seconds)
        self._save(self._world.checkpoint_seconds)
        self._finish(ExitCause.COMPLETED)

    def _merging(self) -> Iterator[datetime]:
        yield self._after(self._world.startup_seconds)
        if (reason := self._reason_to_stop()) is not None:
            self._leave(reason, self._now)
            return
        yield self._after(self._world.merge_seconds)
        self._write("merged", path=f"{self._folder.path}/merged", seconds=self._world.merge_seconds)
        self._finish(ExitCause.COMPLETED)

    def _evaluating(self) -> Iterator[datetime]:
        yield from self._preparing()
        section = self.order.document.get("evaluate")
        tuned = section.get("tuned_dir") if isinstance(section, dict) else None
        stopped = re.search(r"checkpoint-(\d+)$", str(tuned))
        learned_steps = int(stopped[1]) if stopped else self._world.intended_steps
        subjects = [("base", 0), ("tuned", learned_steps)][: 2 if tuned else 1]
        for subject, learned in subjects:
            if (reason := self._reason_to_stop()) is not None:
                self._write("stopping", reason=reason.value, step=0)
                self._finish(reason)
                return
            yield self._after(self._world.evaluate_seconds)
            loss = loss_after(learned)
            rows = {"rows": self._heldout_rows(), "of_rows": self._heldout_rows()}
            self._write("evaluation", subject=subject, heldout_loss=loss, exact_match=round(1 - loss / 3, 6), **rows)
        self._finish(ExitCause.COMPLETED)

    def _preparing(self) -> Iterator[datetime]:
        yield self._after(self._world.startup_seconds)
        heldout = self._heldout_rows()
        self._write("prepared", train_rows=self._world.dataset_rows - heldout, heldout_rows=heldout)

    def _stopping(self, reason: ExitCause) -> Iterator[datetime]:
        self._write("stopping", reason=reason.value, step=self._step)
        yield self._after(self._world.checkpoint_seconds)
        self._save(self._world.checkpoint_seconds)
        self._finish(reason)

    def _reason_to_stop(self) -> ExitCause | None:
        if self._faults.deaf_to_soft:
            return None
        if self._stop:
            return ExitCause.STOP_REQUESTED
        return ExitCause.SOFT_DEADLINE if self._now >= self.soft else None

    def _size(self, pilot_ends: int) -> None:
        """After the pilot, and when the deadlines have moved: as many steps as end before the soft deadline."""
        if self._step < pilot_ends or self._faults.deaf_to_soft or not (self._step == pilot_ends or self._moved):
            return
        left = (self.soft - self._now).total_seconds() - float(str(self._train.get("save_seconds", 0)))
        fitting = self._step + max(int(left / self._world.seconds_per_step), 0)
        previous, self._max_steps = self._max_steps, min(self._intended, fitting)
        reason = "deadlines_moved" if self._moved else "pilot"
        self._moved = False
        speed = self._world.seconds_per_step
        changed = {"previous_max_steps": previous, "max_steps": self._max_steps}
        self._write("sized", step=self._step, seconds_per_step=speed, reason=reason, **changed)

    def _write_step(self) -> None:
        progress = {"step": self._step, "max_steps": self._max_steps, "epoch": round(self._step / self._intended, 4)}
        elapsed = (self._now - self._begun_at).total_seconds()
        told = {"tokens": self._step * 1000, "elapsed_seconds": elapsed}
        self._write("step", **progress, **told, loss=loss_after(self._step), learning_rate=1e-4, **self._peak())

    def _peak(self) -> dict[str, JsonValue]:
        """What a node with a GPU would tell of its memory; nothing in a world that does not say."""
        peak = self._world.peak_memory_bytes
        return {"device_reserved_peak_bytes": peak, "device_allocated_peak_bytes": peak * 9 // 10} if peak else {}

    def _crashes(self) -> bool:
        if self._faults.crash_steps[:1] != [self._step]:
            return False
        self._faults.crash_steps.pop(0)
        return True

    def _save(self, seconds: float) -> None:
        self._folder.checkpoint_step = self._step
        self._write("checkpoint", step=self._step, path=self._folder.checkpoint, seconds=seconds)

    def _finish(self, cause: ExitCause) -> None:
        steps = {"step": self._step, "max_steps": self._max_steps, "intended_steps": self._intended}
        self._write("end", reason=cause.value, **steps)
        self._leave(cause, self._now)

    def _leave(self, cause: ExitCause, at: datetime, message: str = "") -> None:
        trains = self.order.kind is StageKind.TRAIN
        checkpoint = self._folder.checkpoint if trains else None
        result = self._folder.path if trains and cause is ExitCause.COMPLETED else checkpoint
        if self.order.kind is StageKind.MERGE and cause is ExitCause.COMPLETED:
            result = f"{self._folder.path}/merged"
        steps = (self._step, self._max_steps, self._intended) if trains else (0, 0, 0)
        self.exit = StageExit(cause, at, *steps, checkpoint, result, message)

    def _heldout_rows(self) -> int:
        dataset = self.order.document.get("dataset")
        rows = dataset.get("heldout_rows") if isinstance(dataset, dict) else None
        return rows if isinstance(rows, int) else 0
