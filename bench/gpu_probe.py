"""The Axolotl plugin `bench.gpu_probe.ProbePlugin`: memory, loading and saving, as seen from inside a training.

Runs under the trainer's Python beside the service's own plugin, which measures the steps. Writes `probe-RANK.json` into
the job's folder after every step, so that a training that breaks off has told what it saw.
"""

from __future__ import annotations

import json
import os
import resource
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from axolotl.integrations.base import BasePlugin
from transformers import TrainerCallback

SAVES_VARIABLE = "LATTICEFORGE_BENCH_SAVES"
JOB_DIR_VARIABLE = "LATTICEFORGE_JOB_DIR"
LIBRARIES = ("torch", "transformers", "axolotl", "peft", "trl", "bitsandbytes", "triton")
SETTINGS = ("lora_mlp_kernel", "lora_qkv_kernel", "lora_o_kernel", "attn_implementation", "optimizer", "bf16",
            "gradient_checkpointing", "sample_packing", "torch_compile")  # fmt: skip
GIB = 1 << 30


class ProbePlugin(BasePlugin):  # type: ignore[misc,unused-ignore]
    """One instance a process."""

    def __init__(self) -> None:
        super().__init__()
        self._loading = self._trained = 0.0
        self._seen = Seen()

    def pre_model_load(self, cfg: Any) -> None:
        del cfg
        self._loading = time.monotonic()

    def post_model_load(self, cfg: Any, model: Any) -> None:
        """The base with its adapter is in place."""
        dtypes = {str(parameter.dtype) for parameter in model.parameters()}
        settings = {name: cfg.get(name) for name in SETTINGS}
        self._seen.note(
            load_s=time.monotonic() - self._loading,
            dtypes=sorted(dtypes),
            settings={name: value if isinstance(value, bool | int | str) else None for name, value in settings.items()},
        )

    def add_callbacks_post_trainer(self, cfg: Any, trainer: Any) -> list[Any]:
        del cfg
        optimizer_args = trainer.args.optim
        self._seen.note(optimizer=str(getattr(optimizer_args, "value", optimizer_args)))
        return [ProbeCallback(self._seen)]

    def post_train(self, cfg: Any, model: Any) -> None:
        del cfg, model
        self._trained = time.monotonic()

    def post_train_unload(self, cfg: Any) -> None:
        """The trained adapter, or the whole model, is on disk."""
        del cfg
        self._seen.note(final_save_s=time.monotonic() - self._trained)
        self._seen.write()


class ProbeCallback(TrainerCallback):  # type: ignore[misc,unused-ignore]
    """Reads the allocator where a step has ended, when the largest moment of the step is behind it."""

    def __init__(self, seen: Seen) -> None:
        self._seen = seen
        self._saves = os.environ.get(SAVES_VARIABLE) == "1"

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """What loading took at its most is told apart from what training takes."""
        del args, state, control
        if torch.cuda.is_available():
            self._seen.note(load_peak_gib=torch.cuda.max_memory_reserved() / GIB)
            torch.cuda.reset_peak_memory_stats()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        del args, state
        if torch.cuda.is_available():
            free, total = torch.cuda.mem_get_info()
            self._seen.note(
                peak_reserved_gib=torch.cuda.max_memory_reserved() / GIB,
                peak_allocated_gib=torch.cuda.max_memory_allocated() / GIB,
                device_used_gib=(total - free) / GIB,
            )
        self._seen.write()
        if not self._saves:
            control.should_save = False


class Seen:
    """What one rank saw."""

    def __init__(self) -> None:
        self._path = Path(os.environ[JOB_DIR_VARIABLE]) / f"probe-{os.environ.get('RANK', '0')}.json"
        self._facts: dict[str, object] = {"libraries": {name: _version(name) for name in LIBRARIES}}

    def note(self, **facts: object) -> None:
        self._facts |= facts

    def write(self) -> None:
        """Whole or not at all."""
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / GIB
        new = self._path.with_suffix(".new")
        new.write_text(json.dumps({**self._facts, "host_peak_gib": peak}), encoding="utf-8")
        new.replace(self._path)


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return ""
