"""Which model a folder holds, by content: one digest over its weight files. Standard library only."""

from __future__ import annotations

import hashlib
from pathlib import Path

ADAPTER_CONFIG = "adapter_config.json"
_WEIGHTS = ("*.safetensors", "pytorch_model*.bin", "adapter_model*.bin")
"""Not every `.bin`: a checkpoint holds the trainer's own beside its weights."""


def digest(folder: Path) -> str:
    """SHA-256 over the names and contents of all weight files, in hexadecimal.

    An adapter's configuration counts as well: its rank and alpha decide what the same matrices do to the base.
    Raises FileNotFoundError when the folder holds no weights, OSError when one cannot be read.
    """
    files = sorted({path for pattern in _WEIGHTS for path in folder.glob(pattern)})
    if not files:
        raise FileNotFoundError(f"{folder} holds no weights")
    total = hashlib.sha256()
    for path in [*files, *folder.glob(ADAPTER_CONFIG)]:
        with path.open("rb") as stream:
            total.update(f"{path.name}\0{hashlib.file_digest(stream, 'sha256').hexdigest()}\n".encode())
    return total.hexdigest()
