"""The trainer's side of the deadline: measures, sizes, stops at a step's end with a checkpoint, and reports."""

from __future__ import annotations

import os
from collections.abc import Mapping
from enum import IntEnum
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from transformers import TrainerCallback

from workers.node import checkpoints, stop_signal
from workers.node.clock import Clock
from workers.node.horizon import Horizon
from workers.node.job import Job, TrainTask
from workers.node.journal import Journal
from workers.node.memory import peak_memory
from workers.node.orders import Orders
from workers.node.sizing import MEASURED_STEPS, Pace, Room, reviewed_next, sized_steps
from workers.node.token_count import TokenCount

OBJECTIVE = ("rewards/", "logps/", "logits/", "log_odds_", "nll_loss")
"""What the names of a preference trainer's own logs begin with (TRL's `ORPOTrainer.get_batch_loss_metrics`)."""


class Stop(IntEnum):
    """Why to stop; ranks agree on the greatest."""

    NO = 0
    SIGNAL = 1
    STOP_REQUESTED = 2
    SOFT_DEADLINE = 3


class DeadlineCallback(TrainerCallback):  # type: ignore[misc,unused-ignore]
    """One instance a rank. Rank 0 reads the orders, decides and writes; the others learn of it at each step's end."""

    def __init__(
        self,
        *,
        job: Job,
        task: TrainTask,
        orders: Orders,
        journal: Journal,
        horizon: Horizon,
        tokens: TokenCount,
        clock: Clock,
        resumed: Path | None,
        keep_checkpoints: int,
    ) -> None:
        self._job = job
        self._task = task
        self._orders = orders
        self._journal = journal
        self._horizon = horizon
        self._tokens = tokens
        self._clock = clock
        self._resumed = resumed
        self._keep_checkpoints = keep_checkpoints
        self._pace = Pace()
        self._stop = Stop.NO
        self._writes = True
        self._first_step = self._last_step = 0
        self._intended_steps = self._max_steps = 0
        self._review_at: int | None = None
        self._moves_seen = orders.moves
        self._begun_at = self._step_mark = self._event_mark = clock.monotonic()
        self._logged_at, self._logged_tokens = self._begun_at, 0

    @property
    def stopped(self) -> bool:
        """Whether training was stopped before its last step."""
        return self._stop is not Stop.NO

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        """Take over where the checkpoint left off, and say who trains."""
        del control
        self._writes = state.is_world_process_zero
        if self._resumed is not None:
            self._tokens.restore(int(checkpoints.read_marker(self._resumed).get("tokens", 0)))
            self._horizon.move(state.max_steps)  # the checkpoint's rate belongs to its own horizon
        self._first_step = self._last_step = state.global_step
        self._intended_steps = self._max_steps = state.max_steps
        self._logged_tokens = self._tokens.total()
        self._mark()
        self._begun_at = self._logged_at = self._step_mark
        on_cuda = args.device.type == "cuda"
        parameters = [(parameter.numel(), parameter.requires_grad) for parameter in model.parameters()]
        self._write(
            "begin",
            pid=os.getpid(),
            step=state.global_step,
            max_steps=state.max_steps,
            world_size=args.world_size,
            device=torch.cuda.get_device_name(args.device) if on_cuda else args.device.type,
            trainable_parameters=sum(count for count, trainable in parameters if trainable),
            total_parameters=sum(count for count, _ in parameters),
        )

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Measure the step, then let all ranks take one decision: stop, or end at another step."""
        if args.device.type == "cuda" and self._must_be_true(state.global_step):
            torch.cuda.synchronize(args.device)  # kernels run behind the clock
        self._pace.add(self._clock.monotonic() - self._step_mark)
        self._last_step = state.global_step
        self._orders.refresh()
        stop, max_steps = self._agreed(args, *self._decision(state.global_step, args))
        if max_steps != self._max_steps:
            self._max_steps = state.max_steps = max_steps
            self._horizon.move(max_steps)
        if stop is not Stop.NO and state.global_step < max_steps:
            self._stop = stop
            self._write("stopping", reason=stop.name.lower(), step=state.global_step)
            control.should_save = control.should_log = control.should_training_stop = True
            control.should_evaluate = False
        self._mark()

    def on_log(self, args: Any, state: Any, control: Any, logs: Mapping[str, Any] | None = None, **_: Any) -> None:
        """One `step` line for each log of the training loss."""
        del control
        if logs is None or "loss" not in logs:
            return
        now, tokens = self._clock.monotonic(), self._tokens.total()
        rate = (tokens - self._logged_tokens) / max(now - self._logged_at, 1e-9)
        self._write(
            "step",
            step=state.global_step,
            max_steps=self._max_steps,
            loss=logs["loss"],
            learning_rate=logs.get("learning_rate"),
            grad_norm=logs.get("grad_norm"),
            epoch=state.epoch,
            tokens=tokens,
            tokens_per_second=rate,
            elapsed_seconds=now - self._begun_at,
            **peak_memory(args.device, args.world_size),
            **_objective(logs),
        )
        self._logged_at, self._logged_tokens = now, tokens
        self._event_mark = self._clock.monotonic()

    def on_evaluate(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Evaluation is no part of a step's time."""
        del args, state, control
        self._mark()

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """The folder is written: declare it complete, only then delete older ones, and remember what a save costs."""
        del control
        seconds = self._clock.monotonic() - self._event_mark
        self._pace.save_seconds = max(self._pace.save_seconds, seconds)
        tokens = self._tokens.total()
        if args.world_size > 1:
            dist.barrier()  # every rank has written its part
        if self._writes:
            path = checkpoints.checkpoint_dir(Path(args.output_dir), state.global_step)
            facts = {"step": state.global_step, "max_steps": self._max_steps, "tokens": tokens, "seconds": seconds}
            checkpoints.write_marker(path, {**facts, "at": self._clock.wall()})
            if self._keep_checkpoints:
                checkpoints.prune(Path(args.output_dir), self._keep_checkpoints)
            self._write("checkpoint", step=state.global_step, path=str(path), seconds=seconds)
        self._mark()

    def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """A stopped run has saved already; an epoch's own save or evaluation would only spend what is left."""
        del args, state
        if self.stopped:
            control.should_save = control.should_evaluate = False

    def write_end(self) -> None:
        """The last line of a run that reached its end, in whatever way."""
        self._write(
            "end",
            reason=self._stop.name.lower() if self.stopped else "completed",
            step=self._last_step,
            max_steps=self._max_steps,
            intended_steps=self._intended_steps,
        )

    def _decision(self, step: int, args: Any) -> tuple[Stop, int]:
        """This rank's view: whether to stop now, and the step to end at (0 on ranks that do not decide)."""
        signalled = Stop.SIGNAL if stop_signal.received() else Stop.NO
        if not self._writes:
            return signalled, 0
        if self._out_of_time(args):
            return Stop.SOFT_DEADLINE, self._max_steps
        if self._orders.stop_requested:
            return Stop.STOP_REQUESTED, self._max_steps
        reason = self._sizing_reason(step)
        if reason is None or signalled is not Stop.NO:
            return signalled, self._max_steps
        return Stop.NO, self._sized(step, args, reason)

    def _out_of_time(self, args: Any) -> bool:
        """Past the soft deadline, or so close to the hard one that another step would leave no time to save."""
        next_step = self._pace.seconds_per_step(_save_every(args))
        return self._orders.soft_left <= 0 or self._orders.hard_left <= next_step + self._pace.save_seconds

    def _sizing_reason(self, step: int) -> str | None:
        if self._orders.moves != self._moves_seen and not self._in_pilot(step):
            return "deadlines_moved"
        if self._task.pilot_steps and step - self._first_step in {self._task.pilot_steps, MEASURED_STEPS}:
            return "pilot"
        return "pace" if self._review_at is not None and step >= self._review_at else None

    def _sized(self, step: int, args: Any, reason: str) -> int:
        """The step to end at, by what has been measured; reports it. A slower pace shortens, it never lengthens."""
        seconds = self._pace.seconds_per_step(_save_every(args))
        # A completed run saves twice, its last checkpoint and then the adapter itself.
        save_seconds = max(self._task.save_seconds, 2 * self._pace.save_seconds)
        room = Room(step, self._intended_steps, self._orders.soft_left, seconds, save_seconds)
        max_steps = sized_steps(room)
        if reason == "pace":
            max_steps = min(max_steps, self._max_steps)
        self._moves_seen = self._orders.moves
        self._review_at = reviewed_next(step, max_steps, len(self._pace.samples))
        if reason != "pace" or max_steps != self._max_steps:
            previous = self._max_steps
            sizes = {"seconds_per_step": seconds, "previous_max_steps": previous, "max_steps": max_steps}
            self._write("sized", step=step, **sizes, reason=reason)
        return max_steps

    def _agreed(self, args: Any, stop: Stop, max_steps: int) -> tuple[Stop, int]:
        """The greatest stop and rank 0's last step, on every rank: one all-reduce of two integers."""
        if args.world_size == 1:
            return stop, max_steps
        both = torch.tensor([int(stop), max_steps], dtype=torch.int64, device=args.device)
        dist.all_reduce(both, op=dist.ReduceOp.MAX)
        agreed_stop, agreed_steps = both.tolist()
        return Stop(agreed_stop), agreed_steps

    def _in_pilot(self, step: int) -> bool:
        return step < self._first_step + self._task.pilot_steps

    def _must_be_true(self, step: int) -> bool:
        """Whether the clock must not run ahead: in the pilot, whose steps are few, and where it is measured again."""
        return self._in_pilot(step) or step - self._first_step == MEASURED_STEPS

    def _mark(self) -> None:
        self._step_mark = self._event_mark = self._clock.monotonic()

    def _write(self, event: str, **fields: object) -> None:
        if self._writes:
            self._journal.write(event, **fields)


def _objective(logs: Mapping[str, Any]) -> dict[str, object]:
    """`extra`: what a preference trainer tells of its objective besides the loss, as numbers; nothing for others."""
    told = {name: float(value) for name, value in logs.items() if name.startswith(OBJECTIVE)}
    return {"extra": told} if told else {}


def _save_every(args: Any) -> int | None:
    return int(args.save_steps) if str(args.save_strategy.value) == "steps" and args.save_steps >= 1 else None
