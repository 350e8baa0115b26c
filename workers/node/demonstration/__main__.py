"""`python -m workers.node.demonstration --out DIR [--seed 7]`, under the trainer's Python."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from workers.node.demonstration.folder import NotOursError, Recipe, make

SEED = 7
PRETRAIN_STEPS = 450


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def main(arguments: list[str] | None = None) -> int:
    """Make the folder, or find it made. Exit code 0; 2 when the folder holds something else."""
    parser = argparse.ArgumentParser(prog="python -m workers.node.demonstration", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to make")
    parser.add_argument(
        "--seed", type=int, default=SEED, help="the same seed gives the same files (default %(default)s)"
    )
    parser.add_argument(
        "--pretrain-steps",
        type=_positive,
        default=PRETRAIN_STEPS,
        metavar="N",
        help="fewer make a folder of the same shape whose model knows less (default %(default)s)",
    )
    asked = parser.parse_args(arguments)
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    # Read when torch is loaded, later; see docs/adr/0008.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        made = make(asked.out, Recipe(asked.seed, asked.pretrain_steps), lambda line: print(line, flush=True))
    except NotOursError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{'made' if made else 'already made'}: {asked.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
