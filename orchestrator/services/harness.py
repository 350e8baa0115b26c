"""Which tasks of lm-evaluation-harness a run asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping

from orchestrator.domain.errors import FieldProblem, InvalidInputError
from orchestrator.domain.run import Harness
from orchestrator.ports.inputs import Inputs

MAX_TASKS = 20
MAX_LIMIT = 100_000
TASK_NAME = "[A-Za-z0-9][A-Za-z0-9_.-]{0,99}"
_TASK = re.compile(TASK_NAME)
_KEYS = ("tasks", "include_path", "limit")


def parse_harness(wish: object, inputs: Inputs) -> Harness | None:
    """None without a wish. `InvalidInputError` naming `harness` or `harness.<key>`."""
    if wish is None:
        return None
    if not isinstance(wish, Mapping):
        raise InvalidInputError.of("harness", f"must be an object with {', '.join(_KEYS)}")
    tasks, limit, folder = wish.get("tasks"), wish.get("limit"), wish.get("include_path")
    names = tasks if isinstance(tasks, list) else []
    problems = [FieldProblem(f"harness.{key[:64]}", f"is not known; known: {', '.join(_KEYS)}")
                for key in wish if key not in _KEYS]  # fmt: skip
    if not 1 <= len(names) <= MAX_TASKS or not all(isinstance(name, str) and _TASK.fullmatch(name) for name in names):
        problems.append(FieldProblem("harness.tasks", f"must be a list of 1 to {MAX_TASKS} names of tasks"))
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= MAX_LIMIT):
        problems.append(FieldProblem("harness.limit", f"must be a whole number from 1 to {MAX_LIMIT}"))
    if folder is not None and not isinstance(folder, str):
        problems.append(FieldProblem("harness.include_path", "must be the path of a folder"))
    if problems:
        raise InvalidInputError(problems)
    tasks_wanted = tuple(str(name) for name in names)
    place = inputs.task_folder(folder, tasks_wanted) if isinstance(folder, str) else None
    return Harness(tasks_wanted, place, limit if isinstance(limit, int) else None)
