"""What a count depends on, as far as files go: while none of them changes, it need not be made again."""

from __future__ import annotations

import hashlib
from pathlib import Path

READ = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja")
"""All that the tokens of a row depend on, in a model's folder."""


def identity(dataset: Path, model: Path, *more: object) -> str:
    """A digest of the paths, sizes and times of the dataset's file and the model's tokenizer, and of `more`; OSError
    for a dataset that is gone."""
    facts: list[object] = [str(dataset), *_facts(dataset), str(model), *more]
    for name in READ:
        path = model / name
        facts.append(_facts(path) if path.exists() else None)
    return hashlib.sha256(repr(facts).encode()).hexdigest()


def _facts(path: Path) -> tuple[int, int, int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino
