"""The demonstration folder: made once, whole or not at all, and recognised when it is already there."""

from __future__ import annotations

import fcntl
import hashlib
import itertools
import json
import os
import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from workers.node.demonstration import vale
from workers.node.demonstration.pretraining import SEQUENCE_LEN, Pretraining, new_model, pretrain
from workers.node.demonstration.tokens import train_tokenizer

# Raised whenever the same seed would give other files, so that a folder made by an older recipe is made again.
RECIPE = 2
TOKENIZER_DOCUMENTS = 600
MANIFEST = "manifest.json"
CONTENTS = frozenset({"model", "dataset", MANIFEST})


class NotOursError(Exception):
    """The output folder holds something that this program did not make; it is left as it is."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that the files depend on, besides the versions of the libraries."""

    seed: int
    pretrain_steps: int
    recipe: int = RECIPE


def make(out: Path, recipe: Recipe, report: Callable[[str], None]) -> bool:
    """Make `out` unless it is already made by the same recipe; returns whether it was made now.

    `out` appears by one rename, complete. What a killed attempt left beside it is thrown away. A second maker of a
    folder with the same parent waits for the first. Raises `NotOursError` when `out` holds foreign files.
    """
    out = out.resolve()
    out.parent.mkdir(parents=True, exist_ok=True)
    with _locked(out.parent):
        if is_made(out, recipe):
            return False
        _refuse_foreign(out)
        making = out.with_name(f".{out.name}.making")
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir()
        _fill(making, recipe, report)
        if out.exists():
            shutil.rmtree(out)
        making.rename(out)
    return True


def is_made(out: Path, recipe: Recipe) -> bool:
    """Whether `out` holds what `recipe` makes, by its manifest and by the hash of every file named there."""
    try:
        manifest = json.loads((out / MANIFEST).read_text(encoding="utf-8"))
        return bool(
            manifest["recipe"] == asdict(recipe)
            and all(_sha256(out / name) == digest for name, digest in manifest["sha256"].items())
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder's advisory lock. The kernel releases it when the process dies; no lock file stays behind."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _refuse_foreign(out: Path) -> None:
    if not out.exists():
        return
    if not out.is_dir():
        raise NotOursError(f"{out} is not a folder")
    foreign = sorted(entry.name for entry in out.iterdir() if entry.name not in CONTENTS)
    if foreign:
        raise NotOursError(f"{out} holds {', '.join(foreign[:3])}, which the demonstration did not make")


def _fill(folder: Path, recipe: Recipe, report: Callable[[str], None]) -> None:
    # A generator for each purpose: a change to one part of the recipe must not move the random numbers of another.
    villages = vale.settle(_generator(recipe, "villages"))
    train, heldout = vale.rows(villages, _generator(recipe, "rows"))
    (folder / "dataset").mkdir()
    _write_rows(folder / "dataset" / "train.jsonl", train)
    _write_rows(folder / "dataset" / "heldout.jsonl", heldout)
    pairs = vale.pairs(train, _generator(recipe, "preferences"))
    _write_rows(folder / "dataset" / "preferences.jsonl", pairs)
    report(f"{len(train)} training rows, {len(pairs)} preference pairs, {len(heldout)} held-out rows")
    parameters, loss = _write_model(folder / "model", villages, recipe, report)
    manifest = {
        "recipe": asdict(recipe),
        "rows": {"train": len(train), "preferences": len(pairs), "heldout": len(heldout)},
        "parameters": parameters,
        "pretraining_loss": loss,
        "versions": {name: version(name) for name in ("torch", "transformers", "tokenizers", "safetensors")},
        "sha256": {
            path.relative_to(folder).as_posix(): _sha256(path) for path in sorted(folder.rglob("*")) if path.is_file()
        },
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


def _write_model(
    folder: Path, villages: Sequence[vale.Village], recipe: Recipe, report: Callable[[str], None]
) -> tuple[int, float]:
    """Train the tokenizer and the model and save both; returns the number of parameters and the last loss."""
    samples = itertools.islice(vale.documents(villages, _generator(recipe, "tokens")), TOKENIZER_DOCUMENTS)
    tokenizer: Any = train_tokenizer(itertools.chain(samples, vale.every_question(villages)), SEQUENCE_LEN)
    model = new_model(tokenizer, recipe.seed)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    report(f"model of {parameters:,} parameters, {len(tokenizer)} tokens")

    def report_step(step: int, loss: float) -> None:
        if step % 100 == 0 or step == recipe.pretrain_steps:
            report(f"pre-training step {step} of {recipe.pretrain_steps}: loss {loss:.3f}")

    documents = vale.documents(villages, _generator(recipe, "documents"))
    loss = pretrain(model, tokenizer, documents, Pretraining(steps=recipe.pretrain_steps), report_step)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return parameters, loss


def _generator(recipe: Recipe, purpose: str) -> random.Random:
    return random.Random(f"{purpose} {recipe.seed}")  # noqa: S311 - invented villages, no secrets


def _write_rows(path: Path, rows: Sequence[vale.Row | vale.Pair]) -> None:
    path.write_text("".join(json.dumps(asdict(row)) + "\n" for row in rows), encoding="utf-8")


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
