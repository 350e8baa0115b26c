"""The Axolotl plugin `workers.node.plugin.LatticeForgePlugin`: seeds, schedule, and the callback with the deadline.

Runs under the trainer's Python only; `LATTICEFORGE_JOB_DIR` names the job it belongs to.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from axolotl.integrations.base import BasePlugin

from workers.node import checkpoints, stop_signal
from workers.node.clock import SYSTEM_CLOCK
from workers.node.commands import JOB_DIR_VARIABLE
from workers.node.deadline_callback import DeadlineCallback
from workers.node.horizon import Horizon, follows_horizon
from workers.node.job import METRICS_FILE, read_job
from workers.node.journal import Journal
from workers.node.merge import MARKER as MERGE_MARKER
from workers.node.orders import Orders
from workers.node.token_count import TokenCount


class LatticeForgePlugin(BasePlugin):  # type: ignore[misc,unused-ignore]
    """One instance a process; Axolotl calls the hooks in the order in which they stand here."""

    def __init__(self) -> None:
        super().__init__()
        self._job = read_job(Path(os.environ[JOB_DIR_VARIABLE]))
        self._horizon = Horizon()
        self._callback: DeadlineCallback | None = None

    def register(self, cfg: Any) -> None:
        """Before validation: the job's seed where the config names none, and what a GaLore checkpoint holds."""
        if cfg.get("seed") is None:
            cfg["seed"] = self._job.seed
        if "galore" in str(cfg.get("optimizer")):
            _allow_galore_checkpoints()

    def load_datasets(self, cfg: Any, preprocess: bool = False) -> None:
        """The last hook before Axolotl places the weights: it gives every rank a GPU, also where there is none."""
        import torch

        del preprocess
        if not torch.cuda.is_available() and cfg.world_size != 1:
            cfg.device_map = {"": "cpu"}

    def pre_lora_load(self, cfg: Any, model: Any) -> None:
        """Axolotl never seeds the adapter's initialisation; without this two runs of one seed differ."""
        from transformers import set_seed

        del model
        set_seed(adapter_seed(cfg.seed, Path(cfg.base_model)))

    def add_callbacks_post_trainer(self, cfg: Any, trainer: Any) -> list[Any]:
        """The one callback, and a count of tokens around the trainer's step."""
        assert self._job.train is not None
        ranks = int(os.environ.get("WORLD_SIZE", "1"))
        if trainer.args.world_size != ranks:
            raise RuntimeError(f"{ranks} ranks were started, but the trainer sees {trainer.args.world_size}")
        stop_signal.arm()
        self._callback = DeadlineCallback(
            job=self._job,
            task=self._job.train,
            orders=Orders(self._job, SYSTEM_CLOCK),
            journal=Journal(self._job.job_dir / METRICS_FILE, SYSTEM_CLOCK),
            horizon=self._horizon,
            tokens=TokenCount.around(trainer),
            clock=SYSTEM_CLOCK,
            resumed=Path(cfg.resume_from_checkpoint) if cfg.resume_from_checkpoint else None,
            keep_checkpoints=trainer.args.save_total_limit or 0,
        )
        # Rotation is ours, after the marker: the trainer's would delete the last complete checkpoint too early.
        trainer.args.save_total_limit = None
        return [self._callback]

    def create_lr_scheduler(self, cfg: Any, trainer: Any, optimizer: Any, num_training_steps: int) -> Any:
        """A schedule that ends at the horizon wherever that moves; None leaves kinds we do not know to Axolotl."""
        del cfg
        if not follows_horizon(trainer.args, optimizer):
            return None
        return self._horizon.scheduler(trainer.args, optimizer, num_training_steps)

    def post_train(self, cfg: Any, model: Any) -> None:
        """Called right after training, before the final save: a stopped run has its checkpoint and ends here."""
        del cfg, model
        if self._callback is not None and self._callback.stopped:
            self._callback.write_end()
            raise SystemExit(0)

    def post_train_unload(self, cfg: Any) -> None:
        """Called last of all, with the final adapter on disk: only now is a run completed."""
        del cfg
        if self._callback is not None:
            self._callback.write_end()


def adapter_seed(seed: int, base: Path) -> int:
    """The seed of an adapter's first values, in 0..2^32-1: the run's own, and on a merged base another for every merge.

    Were each ReLoRA cycle's A to begin with the same numbers, all would write into nearly the same r directions, and
    the rank of their sum, which is what the cycles are for, would hardly grow.
    """
    made = checkpoints.read_object(base / MERGE_MARKER).get("result_sha256")
    return seed if made is None else (seed + int(str(made)[:8], 16)) % 2**32


def _allow_galore_checkpoints() -> None:
    """Resuming loads the optimizer with `weights_only`, which refuses GaLore's projector unless it is named."""
    import torch
    from galore_torch.galore_projector import GaLoreProjector

    torch.serialization.add_safe_globals([GaLoreProjector])
