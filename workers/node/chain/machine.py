"""What the trainer's environment says of this machine and of a configuration, asked in a process of its own.

Importing Axolotl takes seconds and about a gigabyte, which the chain must not hold while its jobs train.
"""

from __future__ import annotations

import difflib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

_ASK = """
import json, sys
import torch
from axolotl.utils.schemas.config import AxolotlInputConfig
print(json.dumps([torch.cuda.device_count(), sorted(AxolotlInputConfig.model_fields)]))
"""


class MachineError(Exception):
    """The trainer's environment cannot be used; the message says how to make it."""


@dataclass(frozen=True, slots=True)
class Machine:
    """`gpus` counts CUDA devices; `keys` are those that this Axolotl reads."""

    gpus: int
    keys: tuple[str, ...]


def look() -> Machine:
    """Ask the Python that runs this. Raises MachineError when it is not the trainer's."""
    environment = {**os.environ, "AXOLOTL_DO_NOT_TRACK": "1"}
    done = subprocess.run([sys.executable, "-c", _ASK], env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise MachineError(f"{sys.executable} cannot import the trainer ({last}); `make trainer` makes its environment")
    gpus, keys = json.loads(done.stdout.strip().splitlines()[-1])
    return Machine(int(gpus), tuple(keys))


def unknown_keys(config: Sequence[str], machine: Machine) -> list[str]:
    """One sentence for each key that Axolotl would ignore without a word."""
    return [_unknown(key, machine.keys) for key in config if key not in machine.keys]


def _unknown(key: str, keys: Sequence[str]) -> str:
    # Axolotl calls after PEFT what the study book calls after LoRA.
    near = difflib.get_close_matches(key.replace("lora_use_", "peft_use_"), keys, n=1)
    return f"{key} is not a setting of Axolotl" + (f"; did you mean {near[0]}?" if near else "")
