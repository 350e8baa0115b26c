"""A job's files after docs/node-contract.md, as the control plane writes and reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePath

import yaml

from orchestrator.adapters.documents import number
from orchestrator.domain.json_value import JsonValue
from orchestrator.domain.stages import ExitCause, StageExit
from orchestrator.ports.compute import JobOrder


@dataclass(frozen=True, slots=True)
class JobFolders:
    """Where a job lies on its node, as absolute paths."""

    job: PurePath
    output: PurePath
    data: PurePath


def job_document(order: JobOrder, folders: JobFolders) -> dict[str, JsonValue]:
    """The contents of `job.json`."""
    return {
        "version": 2,
        **order.document,
        "run_id": order.key.run_id,
        "lease_id": order.key.lease_id,
        "stage_id": order.key.stage_id,
        "kind": order.kind.value,
        "attempt": order.key.attempt,
        "job_dir": str(folders.job),
        "output_dir": str(folders.output),
        "data_dir": str(folders.data),
        "soft_deadline": order.soft_deadline.timestamp(),
        "hard_deadline": order.hard_deadline.timestamp(),
    }


def config_text(config: Mapping[str, JsonValue], folders: JobFolders) -> str:
    """The contents of `config.yaml`, the node's folders in their places."""
    placed = _placed(dict(config), {"{data_dir}": str(folders.data), "{output_dir}": str(folders.output)})
    return yaml.safe_dump(placed, sort_keys=False, allow_unicode=True)


def stage_exit(document: Mapping[str, JsonValue]) -> StageExit:
    """What `exit.json` says. Raises `ComputeError`, `ValueError` or `OverflowError` when it makes no sense."""
    return StageExit(
        cause=ExitCause(str(document.get("cause"))),
        ended_at=datetime.fromtimestamp(number(document, "ended_at"), UTC),
        last_step=_count(document, "last_step"),
        max_steps=_count(document, "max_steps"),
        intended_steps=_count(document, "intended_steps"),
        checkpoint=_path(document, "checkpoint"),
        result=_path(document, "result") or _path(document, "adapter"),
        message=str(document.get("message") or ""),
    )


def _count(document: Mapping[str, JsonValue], key: str) -> int:
    """Steps; 0 where the job ended before it knew."""
    return 0 if document.get(key) is None else int(number(document, key))


def _path(document: Mapping[str, JsonValue], key: str) -> str | None:
    value = document.get(key)
    return value if isinstance(value, str) and value else None


def _placed(value: JsonValue, places: Mapping[str, str]) -> JsonValue:
    """`value` with the placeholders replaced in every string of it, however deep; keys stay as they are."""
    if isinstance(value, str):
        for placeholder, folder in places.items():
            value = value.replace(placeholder, folder)
        return value
    if isinstance(value, list):
        return [_placed(item, places) for item in value]
    return {key: _placed(item, places) for key, item in value.items()} if isinstance(value, dict) else value
