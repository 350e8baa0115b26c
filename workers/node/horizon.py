"""The step at which the learning rate reaches its end, and the scheduler that follows it when it moves."""

from __future__ import annotations

from typing import Any

from torch.optim.lr_scheduler import LambdaLR

from workers.node.schedule import KINDS, Schedule


class Horizon:
    """Holds one schedule and the scheduler that reads it. Before `scheduler` is called, moving it does nothing."""

    def __init__(self) -> None:
        self._schedule: Schedule | None = None
        self._scheduler: Any = None

    def scheduler(self, args: Any, optimizer: Any, intended_steps: int) -> Any:
        """A LambdaLR over every parameter group; each keeps its own peak, so LoRA+'s ratio holds throughout."""
        schedule = Schedule(
            kind=str(args.lr_scheduler_type.value),
            warmup_steps=args.get_warmup_steps(intended_steps),
            intended_steps=intended_steps,
            horizon=intended_steps,
            floor=getattr(args, "cosine_min_lr_ratio", None) or 0.0,
        )
        # A lambda, not a bound method: checkpoints leave functions out, so no stale horizon is ever restored.
        self._schedule, self._scheduler = schedule, LambdaLR(optimizer, lambda step: schedule.factor(step))
        return self._scheduler

    def move(self, step: int) -> None:
        """End at `step`, and let it tell already in the next step: the scheduler has set its rate before the move."""
        if self._schedule is None:
            return
        self._schedule.horizon = step
        scheduler = self._scheduler
        factor = self._schedule.factor(scheduler.last_epoch)
        for group, peak in zip(scheduler.optimizer.param_groups, scheduler.base_lrs, strict=True):
            group["lr"] = peak * factor
        scheduler._last_lr = [group["lr"] for group in scheduler.optimizer.param_groups]


def follows_horizon(args: Any, optimizer: Any) -> bool:
    """Whether the schedule is of a kind that `Schedule` computes exactly as Axolotl would at a fixed horizon.

    Layerwise GaLore has a scheduler a parameter, restarts have their own shape: both stay as configured.
    """
    special = (
        getattr(args, "alternate_lr_scheduler_type", None),
        getattr(args, "lr_quadratic_warmup", None),
        getattr(args, "cosine_constant_lr_ratio", None),
        getattr(args, "jagged_restart_steps", None),
        hasattr(getattr(optimizer, "optimizer", optimizer), "optimizer_dict"),
    )
    floored = getattr(args, "cosine_min_lr_ratio", None)
    kind = str(args.lr_scheduler_type.value)
    return kind in KINDS and not any(special) and (not floored or kind == "cosine")
