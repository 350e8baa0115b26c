"""Run by the trainer's Python: Axolotl's own verdict on each configuration read from standard input.

In: a JSON list of `{"config", "device", "gpus"}`. Out, as the last line: a JSON list of null (accepted) or the refusal.
"""

from __future__ import annotations

import json
import os
import sys

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["AXOLOTL_DO_NOT_TRACK"] = "1"

import torch
from axolotl.utils.config import validate_config
from axolotl.utils.dict import DictDefault

H200 = {"bf16": True, "fp8": True, "tf32": True, "compute_capability": "sm_90"}
NO_GPU = {"bf16": False, "fp8": False, "tf32": False, "compute_capability": None}


def verdict(case: dict) -> str | None:
    """None when accepted, else what Axolotl said."""
    machine = H200 if case["device"] == "cuda" else NO_GPU
    try:
        validate_config(
            DictDefault(case["config"]),
            capabilities={**machine, "n_gpu": case["gpus"]},
            env_capabilities={"torch_version": torch.__version__.split("+")[0]},
        )
    except Exception as refusal:  # noqa: BLE001 - whatever it raises is its refusal
        return f"{type(refusal).__name__}: {refusal}"
    return None


def main() -> None:
    """Judge them all; one import of Axolotl (about 8 s) serves every configuration."""
    verdicts = [verdict(case) for case in json.load(sys.stdin)]
    sys.stdout.write("\n" + json.dumps(verdicts) + "\n")


if __name__ == "__main__":
    main()
