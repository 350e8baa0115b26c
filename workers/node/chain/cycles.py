"""The chain itself: train, merge, and again on what was merged. Only what is not finished is run."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

from workers.node import checkpoints
from workers.node.chain.jobs import Ended, Node, Order, finished, last_loss
from workers.node.chain.machine import Machine
from workers.node.chain.recipe import Recipe, cycle_config, device_config
from workers.node.clock import Clock

RECIPE_FILE = "chain.json"
LOCK_FILE = ".lock"
MERGE_MARKER = "latticeforge_merge.json"
"""What a merge writes into its model last."""
FAR_SECONDS = 10 * 365 * 24 * 3600.0
SECONDS_PER_HOUR = 3600.0
SAVE_SECONDS = 60.0
"""What a cycle keeps free for its last checkpoint when there is a limit."""
PILOT_STEPS = 6

Say = Callable[[str], None]


class ChainError(Exception):
    """The chain cannot go on; the message says where and what to do."""


@dataclass(frozen=True, slots=True)
class Course:
    """What is run: `iterations` cycles of `recipe` into `output`, `hours` of them all together (None: no limit)."""

    recipe: Recipe
    iterations: int
    output: Path
    machine: Machine
    gpus: int = 1
    hours: float | None = None

    @property
    def data_dir(self) -> Path:
        """The prepared rows, which all cycles share."""
        return self.output / "data"

    def common(self) -> dict[str, Any]:
        """The job document's fields that all jobs share. Nothing is held out, for nothing is evaluated."""
        return {
            "run_id": "chain",
            "lease_id": "chain",
            "data_dir": str(self.data_dir),
            "seed": self.recipe.seed,
            "dataset": {
                "source": self.recipe.source,
                "format": self.recipe.row_format,
                "heldout_rows": 0,
                "heldout_source": None,
                "heldout_format": None,
            },
        }


class Chain:
    """Runs a course on a node. `say` gets one line for each thing that a person would want to know."""

    def __init__(self, course: Course, node: Node, clock: Clock, say: Say) -> None:
        self._course = course
        self._node = node
        self._clock = clock
        self._say = say
        self._ends_at = None if course.hours is None else clock.wall() + course.hours * SECONDS_PER_HOUR
        self._merge_seconds = 0.0

    def run(self) -> Path:
        """The folder of the last merged model.

        Raises ChainError when a job did not end well, when no time is left or a stop was asked for.
        """
        done, base = self._reached()
        for cycle in range(done + 1, self._course.iterations + 1):
            adapter = self._stage(cycle, "train", partial(self._training, cycle, base))
            merged = self._stage(cycle, "merge", partial(self._merging, cycle, base, adapter))
            self._merge_seconds = max(self._merge_seconds, merged.seconds)
            base = str(merged.result)
        return Path(base)

    def _reached(self) -> tuple[int, str]:
        """How many cycles are done, and the model to go on from. Cycles before the last done one may be deleted."""
        for cycle in range(self._course.iterations, 0, -1):
            merged = finished(self._folder(cycle) / "merge")
            if merged is not None and merged.result is not None and (merged.result / MERGE_MARKER).is_file():
                self._say(f"cycle {cycle} of {self._course.iterations} was done before: {merged.result}")
                return cycle, str(merged.result)
        return 0, self._course.recipe.model

    def _stage(self, cycle: int, kind: str, make_order: Callable[[], Order]) -> Ended:
        name = f"cycle {cycle} of {self._course.iterations}: {kind}"
        before = finished(self._folder(cycle) / kind) if kind == "train" else None
        if before is not None:
            self._say(f"{name} was done before: {before.result}")
            return before
        if self._node.stopping:
            raise ChainError(f"stopped before {name}; the same command goes on from there")
        order = make_order()
        self._say(f"{name} begins, in {order.folder}")
        ended = self._node.run(order)
        if not ended.well:
            raise ChainError(_unwell(name, ended))
        loss = last_loss(ended.attempt) if kind == "train" else None
        self._say(f"{name} is done{'' if loss is None else f', last loss {loss:.4f}'}: {ended.result}")
        return ended

    def _training(self, cycle: int, base: str) -> Order:
        course, folder = self._course, self._folder(cycle)
        soft, hard = self._deadlines(cycle)
        return Order(
            folder=folder / "train",
            stage_id=f"{2 * cycle - 1:02d}-train",
            kind="train",
            output_dir=folder / "output",
            section={
                "launcher": "python" if course.gpus == 1 else "torchrun",
                "processes": course.gpus,
                "pilot_steps": PILOT_STEPS,
                "save_seconds": SAVE_SECONDS,
            },
            config=cycle_config(course.recipe, cycle, base, folder / "output", course.data_dir)
            | device_config(course.machine, course.gpus),
            soft_deadline=soft,
            hard_deadline=hard,
        )

    def _merging(self, cycle: int, base: str, adapter: Ended) -> Order:
        # A merge is short and cannot be cut: what was trained before the limit is worth keeping.
        far = self._clock.wall() + FAR_SECONDS
        return Order(
            folder=self._folder(cycle) / "merge",
            stage_id=f"{2 * cycle:02d}-merge",
            kind="merge",
            output_dir=self._folder(cycle),
            section={"base_model": base, "adapter_dir": str(adapter.result)},
            config=None,
            soft_deadline=far,
            hard_deadline=far,
        )

    def _deadlines(self, cycle: int) -> tuple[float, float]:
        """Unix seconds at which this cycle must begin to stop, and be gone: its share of the time that is left."""
        now = self._clock.wall()
        if self._ends_at is None:
            return now + FAR_SECONDS, now + FAR_SECONDS
        cycles_left = self._course.iterations - cycle + 1
        share = (self._ends_at - now) / cycles_left - self._merge_seconds
        if share <= SAVE_SECONDS:
            raise ChainError(
                f"no time is left for cycle {cycle}; the same command with more --hours goes on from there"
            )
        return now + share - SAVE_SECONDS, now + share

    def _folder(self, cycle: int) -> Path:
        return self._course.output / f"cycle-{cycle:02d}"


def take_possession(course: Course) -> IO[str]:
    """Lock the output folder for as long as the returned stream is open, and see that it is this recipe's.

    Raises ChainError when another chain works there, or worked there with another recipe.
    """
    course.output.mkdir(parents=True, exist_ok=True)
    lock = (course.output / LOCK_FILE).open("w", encoding="utf-8")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise ChainError(f"another chain is at work in {course.output}") from error
    path, facts = course.output / RECIPE_FILE, course.recipe.facts()
    if not path.exists():
        checkpoints.write_atomically(path, facts)
    elif changed := _changed(json.loads(path.read_text(encoding="utf-8")), json.loads(json.dumps(facts))):
        lock.close()
        raise ChainError(f"{course.output} was begun with another recipe ({changed}); choose another --output")
    return lock


def _changed(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    flat_before, flat_now = ({**facts, **facts.get("settings", {})} for facts in (before, now))
    names = sorted({*flat_before, *flat_now} - {"settings"})
    return ", ".join(
        f"{name} {flat_before.get(name)!r}, now {flat_now.get(name)!r}"
        for name in names
        if flat_before.get(name) != flat_now.get(name)
    )


def _unwell(name: str, ended: Ended) -> str:
    if ended.cause == "stop_requested":
        return f"{name} was stopped; the same command goes on from there"
    said = f":\n{ended.message}" if ended.message else ""
    return f"{name} ended as {ended.cause}; its log is {ended.attempt / 'log.txt'}{said}"
