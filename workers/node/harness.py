"""lm-evaluation-harness on models that are loaded already: the same tasks and rows for the base and the tuned model."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import lm_eval
from jinja2.sandbox import ImmutableSandboxedEnvironment
from lm_eval.api.task import ConfigurableTask
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager

from workers.node.clock import Clock
from workers.node.job import HarnessTask
from workers.node.journal import Journal
from workers.node.subjects import Subjects

BOOTSTRAPS = 1000
"""Resamplings for the standard errors that have no formula."""


class OutOfTimeError(Exception):
    """The soft deadline came in the middle of a task."""


class WatchedModel(HFLM):  # type: ignore[misc,unused-ignore]
    """The harness's own model, which gives up between two batches when it is told to."""

    def __init__(self, *, should_stop: Callable[[], bool], **settings: Any) -> None:
        super().__init__(**settings)
        self._should_stop = should_stop

    def _model_call(self, *inputs: Any, **named: Any) -> Any:
        self._look_up()
        return super()._model_call(*inputs, **named)

    def _model_generate(self, *inputs: Any, **named: Any) -> Any:
        self._look_up()
        return super()._model_generate(*inputs, **named)

    def _look_up(self) -> None:
        if self._should_stop():
            raise OutOfTimeError


def run_harness(
    task: HarnessTask,
    configs: Mapping[str, dict[str, Any]],
    subjects: Subjects,
    journal: Journal,
    clock: Clock,
    should_stop: Callable[[], bool],
) -> bool:
    """Run each task on every subject; a task's lines are written once all subjects are through with it.

    `configs` are the local tasks as `harness_tasks.local_tasks` read them, empty for built-in ones. Returns False when
    it had to stop before the last task.
    """
    _sandbox_templates()
    # Its pool for bootstrapping is ended by SIGTERM, which children of this process remember and do not die of.
    os.environ["DISABLE_MULTIPROC"] = "1"
    manager = _manager(configs)
    for name in task.tasks:
        lines: list[dict[str, object]] = []
        for subject in subjects.names:
            # Built anew for each subject: a task keeps its requests and their answers.
            asked = ConfigurableTask(config=dict(configs[name])) if configs else name
            begun = clock.monotonic()
            try:
                results = _results(asked, task.limit, subjects, subject, manager, should_stop)
            except OutOfTimeError:
                return False
            seconds = clock.monotonic() - begun
            lines += [{"subject": subject, **line, "seconds": seconds} for line in metric_lines(results)]
        for line in lines:
            journal.write("harness", **line)
    return True


def _manager(configs: Mapping[str, dict[str, Any]]) -> Any:
    """Who knows the tasks: all built-in ones, or the local ones by name, for the table that the harness prints."""
    if not configs:
        return TaskManager()
    manager = TaskManager(include_defaults=False)
    manager.task_index.update({name: {"type": "task", "yaml_path": f"{name}.yaml"} for name in configs})
    return manager


def _results(
    asked: Any,
    limit: int | None,
    subjects: Subjects,
    subject: str,
    manager: Any,
    should_stop: Callable[[], bool],
) -> Mapping[str, Any]:
    with subjects.model(subject) as model:
        watched = WatchedModel(
            pretrained=model,
            tokenizer=subjects.tokenizer,
            batch_size=subjects.batch_size,
            max_length=subjects.sequence_len,
            should_stop=should_stop,
        )
        results: Mapping[str, Any] = lm_eval.simple_evaluate(
            model=watched,
            tasks=[asked],
            limit=limit,
            task_manager=manager,
            bootstrap_iters=BOOTSTRAPS,
            log_samples=False,
        )
    return results


def metric_lines(results: Mapping[str, Any]) -> Iterator[dict[str, object]]:
    """What the harness found, one metric at a time. It names them `metric,filter`, the plain filter being `none`."""
    for task, found in results["results"].items():
        samples = results.get("n-samples", {}).get(task, {}).get("effective")
        for key, value in found.items():
            metric, _, kind = key.partition(",")
            if not kind or metric.endswith("_stderr"):
                continue
            stderr = found.get(f"{metric}_stderr,{kind}")
            yield {
                "task": task,
                "metric": metric if kind == "none" else key,
                "value": _number(value),
                "stderr": _number(stderr),
                "samples": samples,
            }


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _sandbox_templates() -> None:
    """A task's templates are the user's: they may format text, and reach nothing behind it."""
    theirs = lm_eval.utils.env
    ours = ImmutableSandboxedEnvironment(
        loader=theirs.loader, undefined=theirs.undefined, keep_trailing_newline=theirs.keep_trailing_newline
    )
    ours.filters.update(theirs.filters)
    lm_eval.utils.env = ours
