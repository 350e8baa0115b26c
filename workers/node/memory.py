"""Peak memory: of the device where there is one, else of the process, under names that cannot be mistaken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

STATUS = Path("/proc/self/status")
KIB = 1024


def peak_memory(device: Any, world_size: int = 1) -> dict[str, int]:
    """Bytes at their highest since the process began, on the fullest rank.

    On a GPU `device_reserved_peak_bytes` (what its memory must hold) and `device_allocated_peak_bytes` (what tensors
    took of it); on a CPU `process_resident_peak_bytes`; nothing where that cannot be told. Collective with more than
    one rank: every rank must call it at the same step.
    """
    if device.type == "cuda":
        found = {
            "device_reserved_peak_bytes": torch.cuda.max_memory_reserved(device),
            "device_allocated_peak_bytes": torch.cuda.max_memory_allocated(device),
        }
    else:
        found = {"process_resident_peak_bytes": resident_peak()}
    if world_size > 1:
        fullest = torch.tensor(list(found.values()), dtype=torch.int64, device=device)
        dist.all_reduce(fullest, op=dist.ReduceOp.MAX)
        found = dict(zip(found, fullest.tolist(), strict=True))
    return {name: size for name, size in found.items() if size}


def resident_peak(status: Path = STATUS) -> int:
    """Bytes of this process that were in memory at most; 0 where the system does not say.

    Not `getrusage`: its figure is carried over from the process that started this one. The kernel counts pages in
    batches, so that of two readings the later one can be smaller by a few of them.
    """
    try:
        lines = status.read_text().splitlines()
    except OSError:
        return 0
    sizes = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
    return int(sizes[0]) * KIB if sizes else 0
