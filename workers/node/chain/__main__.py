"""`python -m workers.node.chain --iterations 3 --rank 64`, under the trainer's Python."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType

from workers.node.chain.arguments import parse
from workers.node.chain.cycles import Chain, ChainError, Course, take_possession
from workers.node.chain.jobs import Node
from workers.node.chain.machine import MachineError, look
from workers.node.chain.recipe import RecipeError, read_recipe, remarks
from workers.node.clock import SYSTEM_CLOCK

PROGRAM_VARIABLE = "LATTICEFORGE_CHAIN_PROGRAM"
"""What the usage calls this program: the script that wraps it says its own name."""


def main(arguments: Sequence[str]) -> int:
    """Exit code 0 when every cycle is done, 1 when one is not, 2 for a wrong option or configuration, 130 on a stop."""
    wish = parse(arguments, os.environ.get(PROGRAM_VARIABLE, "python -m workers.node.chain"))
    try:
        machine = look()
        if wish.gpus > max(machine.gpus, 1):
            raise MachineError(f"--gpus is {wish.gpus}, and this machine has {machine.gpus}")
        course = Course(read_recipe(wish, machine), wish.iterations, wish.output, machine, wish.gpus, wish.hours)
    except (RecipeError, MachineError) as error:
        print(error, file=sys.stderr)
        return 2
    node = Node(course.common())

    def stop(_number: int, _frame: FrameType | None) -> None:
        _say("asked to stop: the training saves a checkpoint first")
        node.stop()

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    try:
        with take_possession(course):
            _say("\n".join((_plan(course), *remarks(course.recipe))))
            merged = Chain(course, node, SYSTEM_CLOCK, _say).run()
    except ChainError as error:
        print(error, file=sys.stderr)
        return 130 if node.stopping else 1
    _say(f"the model of {course.iterations} cycles is in {merged}")
    return 0


def _plan(course: Course) -> str:
    rank = course.recipe.settings.get("lora_r")
    reach = f", rank {rank * course.iterations} in all" if isinstance(rank, int) else ""
    where = f"{course.gpus} of {course.machine.gpus} GPUs" if course.machine.gpus else "the CPU"
    cycles = f"{course.iterations} cycles of rank {rank}{reach}"
    return f"{cycles}, from {course.recipe.model}, on {where}, into {course.output}"


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
