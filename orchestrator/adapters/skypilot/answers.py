"""What SkyPilot's API server answers, read without its packages. Pickles in its answers are never opened."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from orchestrator.domain.errors import ComputeError
from orchestrator.domain.json_value import JsonValue

COLOUR = re.compile(r"\x1b\[[0-9;]*m")
"""SkyPilot writes for a terminal, also where none is."""

Answer = Mapping[str, JsonValue]


class SkyPilotError(ComputeError):
    """SkyPilot refused or failed. `kind` is its own name for that, such as `ClusterDoesNotExist`; empty when the
    answer never came or could not be read."""

    def __init__(self, message: str, kind: str = "") -> None:
        self.kind = kind
        super().__init__(message)


class RequestState(StrEnum):
    """How far a request got. A server that was started anew knows none from before: UNKNOWN."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    UNKNOWN = "UNKNOWN"

    @property
    def is_open(self) -> bool:
        return self in {RequestState.PENDING, RequestState.RUNNING}


@dataclass(frozen=True, slots=True)
class Health:
    version: str
    api_version: str


@dataclass(frozen=True, slots=True)
class Cluster:
    """One line of SkyPilot's list. `status` is INIT, UP, STOPPED and the like."""

    name: str
    status: str
    user: str


@dataclass(frozen=True, slots=True)
class ClusterJob:
    """One line of a cluster's queue."""

    job_id: int
    name: str
    status: str

    @property
    def is_over(self) -> bool:
        return self.status in {"SUCCEEDED", "FAILED", "FAILED_SETUP", "FAILED_DRIVER", "CANCELLED"}


@dataclass(frozen=True, slots=True)
class Cost:
    """What the cost report says of one cluster, gone ones included: Unix seconds of its launch, and its duration."""

    name: str
    launched_at: float
    seconds: float


def object_of(value: JsonValue, what: str) -> Answer:
    """`value` as an object; `SkyPilotError` when it is anything else."""
    if not isinstance(value, dict):
        raise SkyPilotError(f"SkyPilot's {what} is not an object")
    return value


def objects_of(value: JsonValue, what: str) -> Iterator[Answer]:
    """The objects in a list; `SkyPilotError` when it is no list."""
    if not isinstance(value, list):
        raise SkyPilotError(f"SkyPilot's {what} is not a list")
    return (item for item in value if isinstance(item, dict))


def decoded(text: object, what: str) -> JsonValue:
    """JSON within a string; `SkyPilotError` when it is none."""
    try:
        value: JsonValue = json.loads(str(text))
    except ValueError as error:
        raise SkyPilotError(f"SkyPilot's {what} is not JSON") from error
    return value


def failure_of(answer: Answer) -> SkyPilotError:
    """The error in the body of an HTTP 500: its type and its message, and nothing else of it."""
    detail = answer.get("detail")
    if isinstance(detail, str):
        return SkyPilotError(f"SkyPilot: {detail[:500]}")
    failed = decoded(object_of(detail, "error").get("error") or "null", "error")
    if not isinstance(failed, dict):
        return SkyPilotError("SkyPilot failed without a reason")
    message = COLOUR.sub("", str(failed.get("message")))
    return SkyPilotError(f"SkyPilot: {message[:2000]}", str(failed.get("type") or ""))


def cluster_of(line: Answer) -> Cluster:
    return Cluster(str(line.get("name")), str(line.get("status")), str(line.get("user_hash")))


def job_of(line: Answer) -> ClusterJob:
    return ClusterJob(int(seconds_of(line, "job_id")), str(line.get("job_name")), str(line.get("status")))


def cost_of(line: Answer) -> Cost:
    return Cost(str(line.get("name")), seconds_of(line, "launched_at"), seconds_of(line, "duration"))


def seconds_of(line: Answer, key: str) -> float:
    """The number under `key`; `SkyPilotError` when there is none."""
    value = line.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise SkyPilotError(f"SkyPilot's {key!r} is not a number")
    return float(value)
