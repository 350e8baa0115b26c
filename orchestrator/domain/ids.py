"""Identifiers: short, typed, safe in a path, a URL, a shell and a cluster name."""

from __future__ import annotations

import re
from typing import NewType

from orchestrator.domain.errors import NotFoundError

RunId = NewType("RunId", str)
LeaseId = NewType("LeaseId", str)
StageId = NewType("StageId", str)
DatasetId = NewType("DatasetId", str)

LEASE_PREFIX = "lf-"
"""Every cluster that we rent bears it; the reaper touches nothing without it."""

_RUN_ID = re.compile(r"run_[a-z0-9]{12}")
_DATASET_ID = re.compile(r"ds_[0-9a-f]{16}")
_LEASE_ID = re.compile(r"lf-[a-z0-9]{12}-[0-9]{1,4}")
_HUB_PART = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?"
_HUB_ID = re.compile(f"{_HUB_PART}/{_HUB_PART}")


def is_hub_id(name: str) -> bool:
    """Whether `name` has the form `owner/name` of a model hub; whether it exists there is not asked."""
    return _HUB_ID.fullmatch(name) is not None and ".." not in name and "--" not in name


def parse_run_id(text: str) -> RunId:
    """The id if it has the form of one; `NotFoundError` otherwise, since no run can bear it."""
    if not _RUN_ID.fullmatch(text):
        raise NotFoundError("run", text[:80])
    return RunId(text)


def dataset_id(sha256: str) -> DatasetId:
    """The id of the uploaded dataset whose bytes have this digest, in hexadecimal."""
    return DatasetId(f"ds_{sha256[:16]}")


def is_dataset_id(text: str) -> bool:
    """Whether an uploaded dataset can bear this id."""
    return _DATASET_ID.fullmatch(text) is not None


def parse_dataset_id(text: str) -> DatasetId:
    """The id if it has the form of one; `NotFoundError` otherwise, since no dataset can bear it."""
    if not is_dataset_id(text):
        raise NotFoundError("dataset", text[:80])
    return DatasetId(text)


def lease_id(run: RunId, ordinal: int) -> LeaseId:
    """The run's `ordinal`-th lease (from 1). Deterministic, so that a repeated launch names the same cluster."""
    return LeaseId(f"{LEASE_PREFIX}{run.removeprefix('run_')}-{ordinal}")


def is_lease_id(text: str) -> bool:
    """Whether a cluster of this name can be ours."""
    return _LEASE_ID.fullmatch(text) is not None


def stage_id(ordinal: int, kind: str) -> StageId:
    """A stage's name inside its run: `01-train`."""
    return StageId(f"{ordinal:02d}-{kind}")
