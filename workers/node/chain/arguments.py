"""The command line: what is asked for, checked before anything is imported or written."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from workers.node.commands import CODE_ROOT

DEFAULT_CONFIG = CODE_ROOT / "recipes" / "config_relora.yaml"
FORMATS = ("alpaca", "messages", "completion")
MAX_ITERATIONS = 100
MAX_RANK = 4096
MAX_STEPS = 10_000_000
MAX_HOURS = 24 * 365
MAX_SEED = 2**31 - 1
MAX_GPUS = 64


@dataclass(frozen=True, slots=True)
class Wish:
    """What the command line says; None where it says nothing and the configuration decides. `steps` is per cycle."""

    iterations: int
    rank: int | None
    config: Path
    model: str | None
    dataset: str | None
    row_format: str | None
    output: Path
    steps: int | None
    hours: float | None
    seed: int | None
    gpus: int


def parse(arguments: Sequence[str], program: str) -> Wish:
    """The wish. Ends the process with code 2 and the option's name for a wrong one, with code 0 after `--help`."""
    given = _parser(program).parse_args(arguments)
    return Wish(
        iterations=given.iterations,
        rank=given.rank,
        config=given.config,
        model=given.model,
        dataset=given.dataset,
        row_format=given.format,
        output=given.output.absolute(),
        steps=given.steps,
        hours=given.hours,
        seed=given.seed,
        gpus=given.gpus,
    )


def _parser(program: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program,
        description="ReLoRA: train an adapter, merge it into its base, and begin anew on the result.",
        epilog="The same command goes on where it was interrupted: what is finished is not done again.",
        allow_abbrev=False,
    )
    option = parser.add_argument
    option("--iterations", type=_whole(1, MAX_ITERATIONS), default=3, help="cycles of training and merging (3)")
    option("--rank", type=_whole(1, MAX_RANK), help="rank of each cycle's adapter; alpha follows in proportion")
    option("--config", type=Path, default=DEFAULT_CONFIG, help="an Axolotl configuration (config_relora.yaml)")
    option("--model", help="the model to begin with, a folder or a hub id; overrides base_model")
    option("--dataset", help="the rows, a file or a hub id; overrides the configuration's dataset")
    option("--format", choices=FORMATS, help="how the rows look; overrides the type of the configuration's dataset")
    option("--output", type=Path, default=Path("relora"), help="the folder for everything that is made (./relora)")
    option("--steps", type=_whole(1, MAX_STEPS), help="optimizer steps of each cycle; overrides max_steps and epochs")
    option("--hours", type=_hours, help="end within this time, each cycle with its share; no limit by default")
    option("--seed", type=_whole(0, MAX_SEED), help="seed of the first cycle, the next ones count on from it")
    option("--gpus", type=_whole(1, MAX_GPUS), default=1, help="devices that train together (1)")
    return parser


def _whole(low: int, high: int) -> Callable[[str], int]:
    def parsed(text: str) -> int:
        wrong = argparse.ArgumentTypeError(f"must be a whole number from {low} to {high}, not {text[:40]!r}")
        try:
            value = int(text)
        except ValueError:
            raise wrong from None
        if not low <= value <= high:
            raise wrong
        return value

    return parsed


def _hours(text: str) -> float:
    wrong = argparse.ArgumentTypeError(f"must be a number of hours, more than 0 and at most {MAX_HOURS}")
    try:
        value = float(text)
    except ValueError:
        raise wrong from None
    if not math.isfinite(value) or not 0 < value <= MAX_HOURS:
        raise wrong
    return value
