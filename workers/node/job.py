"""What the control plane asks for: `job.json`, read once, as frozen dataclasses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast, get_args

JOB_FILE = "job.json"
CONFIG_FILE = "config.yaml"
CONTROL_FILE = "control.json"
METRICS_FILE = "metrics.jsonl"
LOG_FILE = "log.txt"
MERGED_FOLDER = "merged"
"""Where a merge leaves its model, inside `output_dir`."""
CONTRACT_VERSION = 2
READABLE_VERSIONS = frozenset({1, 2})
"""A job that was under way when the service was brought up to date goes on under the new code."""

Kind = Literal["train", "merge", "evaluate"]
Format = Literal["alpaca", "messages", "completion", "alpaca_pairs", "chat_pairs"]
Launcher = Literal["python", "torchrun"]


class JobError(Exception):
    """`job.json` is missing, unreadable or not of this contract's version."""


@dataclass(frozen=True, slots=True)
class DatasetTask:
    """Where the rows come from. `source` is an absolute path to JSON lines or Parquet, or the id of a dataset on the
    hub. `heldout_format` is that of the rows in `heldout_source`, None when it is `format`. What the held-out rows of
    the dataset `spares` ask is not trained on."""

    source: str
    format: Format
    heldout_rows: int
    heldout_source: str | None
    heldout_format: Format | None = None
    spares: DatasetTask | None = None


@dataclass(frozen=True, slots=True)
class TrainTask:
    """How to train. `save_seconds` is what the control plane reserves for the last checkpoint."""

    launcher: Launcher
    processes: int
    resume_from: Literal["latest"] | None
    pilot_steps: int
    save_seconds: float


@dataclass(frozen=True, slots=True)
class MergeTask:
    """What to merge: the PEFT adapter in the folder `adapter_dir` into `base_model`, a folder or a hub id."""

    base_model: str
    adapter_dir: Path


@dataclass(frozen=True, slots=True)
class HarnessTask:
    """lm-evaluation-harness tasks by name. `include_path` is a folder with their YAML; None means the built-in ones.

    `limit` is the number of rows of each task; None for all.
    """

    tasks: tuple[str, ...]
    include_path: Path | None
    limit: int | None


@dataclass(frozen=True, slots=True)
class EvaluateTask:
    """What to evaluate. `tuned_dir` is a PEFT adapter or a whole model's folder; None evaluates the base only.

    `tuned_base` is the model that the adapter sits on; None when that is `base_model` itself.
    """

    base_model: str
    tuned_dir: str | None
    tuned_base: str | None
    max_new_tokens: int
    batch_size: int
    sequence_len: int
    harness: HarnessTask | None


@dataclass(frozen=True, slots=True)
class StorePlace:
    """Where the run's files are kept besides this machine: `run_dir/<path>` here is `<prefix>/<path>` there.

    `url` as docs/artifact-store.md describes it; `endpoint_url` is the address of a server that speaks S3, None for the
    store's own. Credentials come from the environment. What is left to deliver when the stage has ended may take
    `patience_seconds`, and never longer than the hard deadline.
    """

    url: str
    prefix: str
    run_dir: Path
    endpoint_url: str | None
    patience_seconds: float = 900.0

    def prefix_of(self, path: Path) -> str:
        """The place in the store of a file or folder of the run. ValueError for one outside `run_dir`."""
        return f"{self.prefix}/{path.relative_to(self.run_dir).as_posix()}"


@dataclass(frozen=True, slots=True)
class Job:
    """One attempt at one stage. Deadlines are Unix seconds as first given; `orders` follows them as they move."""

    stage_id: str
    kind: Kind
    attempt: int
    job_dir: Path
    output_dir: Path
    data_dir: Path
    soft_deadline: float
    hard_deadline: float
    seed: int
    dataset: DatasetTask
    train: TrainTask | None
    merge: MergeTask | None
    evaluate: EvaluateTask | None
    store: StorePlace | None = None


def read_job(job_dir: Path) -> Job:
    """Read `job_dir/job.json`. Raises JobError, which names what is wrong."""
    path = job_dir / JOB_FILE
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return _job(document)
    except OSError as error:
        raise JobError(f"{path}: {error.strerror}") from error
    except KeyError as error:
        raise JobError(f"{path}: {error.args[0]!r} is missing") from error
    except (TypeError, ValueError) as error:
        raise JobError(f"{path}: {error}") from error


def _job(document: Mapping[str, Any]) -> Job:
    if document["version"] not in READABLE_VERSIONS:
        raise ValueError(f"version {document['version']!r} is not {CONTRACT_VERSION}")
    kind = _one_of("kind", document["kind"], ("train", "merge", "evaluate"))
    return Job(
        stage_id=str(document["stage_id"]),
        kind=cast(Kind, kind),
        attempt=int(document["attempt"]),
        job_dir=Path(document["job_dir"]),
        output_dir=Path(document["output_dir"]),
        data_dir=Path(document["data_dir"]),
        soft_deadline=float(document["soft_deadline"]),
        hard_deadline=float(document["hard_deadline"]),
        seed=int(document["seed"]),
        dataset=_dataset(document["dataset"]),
        train=_train(document["train"]) if kind == "train" else None,
        merge=_merge(document["merge"]) if kind == "merge" else None,
        evaluate=_evaluate(document["evaluate"]) if kind == "evaluate" else None,
        store=_store(document["store"], document) if document.get("store") else None,
    )


def _store(section: Mapping[str, Any], document: Mapping[str, Any]) -> StorePlace:
    endpoint_url = section.get("endpoint_url")
    place = StorePlace(
        url=str(section["url"]),
        prefix=str(section["prefix"]),
        run_dir=Path(section["run_dir"]),
        endpoint_url=None if endpoint_url is None else str(endpoint_url),
        patience_seconds=float(section.get("patience_seconds", 900.0)),
    )
    for name in ("job_dir", "output_dir"):
        if not Path(document[name]).is_relative_to(place.run_dir):
            raise ValueError(f"{name} is not inside store.run_dir {str(place.run_dir)!r}")
    return place


def _dataset(section: Mapping[str, Any]) -> DatasetTask:
    source, heldout_format = str(section["source"]), section.get("heldout_format")
    return DatasetTask(
        source=source,
        format=_format("dataset.format", section["format"]),
        heldout_rows=int(section["heldout_rows"]),
        heldout_source=section.get("heldout_source"),
        heldout_format=None if heldout_format is None else _format("dataset.heldout_format", heldout_format),
        spares=_dataset(section["spares"]) if section.get("spares") else None,
    )


def _format(field: str, value: object) -> Format:
    return cast(Format, _one_of(field, value, get_args(Format)))


def _train(section: Mapping[str, Any]) -> TrainTask:
    resume_from = section.get("resume_from")
    if resume_from is not None:
        _one_of("train.resume_from", resume_from, ("latest",))
    return TrainTask(
        launcher=cast(Launcher, _one_of("train.launcher", section["launcher"], ("python", "torchrun"))),
        processes=int(section["processes"]),
        resume_from=resume_from,
        pilot_steps=int(section["pilot_steps"]),
        save_seconds=float(section["save_seconds"]),
    )


def _merge(section: Mapping[str, Any]) -> MergeTask:
    return MergeTask(base_model=str(section["base_model"]), adapter_dir=Path(section["adapter_dir"]))


def _evaluate(section: Mapping[str, Any]) -> EvaluateTask:
    harness = section.get("harness")
    return EvaluateTask(
        base_model=str(section["base_model"]),
        tuned_dir=section.get("tuned_dir", section.get("adapter_dir")),
        tuned_base=section.get("tuned_base"),
        max_new_tokens=int(section["max_new_tokens"]),
        batch_size=int(section["batch_size"]),
        sequence_len=int(section["sequence_len"]),
        harness=None if harness is None else _harness(harness),
    )


def _harness(section: Mapping[str, Any]) -> HarnessTask:
    include_path, limit = section.get("include_path"), section.get("limit")
    if include_path is not None and not Path(include_path).is_absolute():
        raise ValueError(f"evaluate.harness.include_path {include_path!r} is not an absolute path")
    return HarnessTask(
        tasks=tuple(map(str, section["tasks"])),
        include_path=None if include_path is None else Path(include_path),
        limit=None if limit is None else int(limit),
    )


def _one_of(field: str, value: object, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise ValueError(f"{field} is {value!r}, not one of {', '.join(allowed)}")
    return str(value)
