"""A user's lm-evaluation-harness tasks, read as data. The harness itself would read them as code.

It resolves `!function` tags by importing the file they name, loads YAML with a loader that builds any Python object,
and takes metrics, datasets and generation code from the hub by name. A user's folder is input, so only what is listed
here is read; what is not is refused, with the file and the key that it stands in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

LOADERS = frozenset({"json", "csv", "parquet", "text"})
"""Dataset readers that read local files."""
_METRICS = """
acc acc_norm acc_mutual_info acc_bytes acc_all exact_match brier_score perplexity word_perplexity byte_perplexity
bits_per_byte likelihood mcc f1 bleu chrf ter
"""
_GENERATION = "until do_sample temperature top_p top_k num_beams max_gen_toks max_new_tokens repetition_penalty"
_KEYS = """
task task_alias tag include dataset_path dataset_name dataset_kwargs training_split validation_split test_split
fewshot_split fewshot_config num_fewshot doc_to_text doc_to_target doc_to_choice description target_delimiter
fewshot_delimiter output_type metric_list generation_kwargs repeats filter_list gen_prefix should_decontaminate
doc_to_decontamination_query metadata
"""
METRICS = frozenset(_METRICS.split())
"""What the harness computes itself; another name would be looked for, and run, elsewhere."""
GENERATION = frozenset(_GENERATION.split())
KEYS = frozenset(_KEYS.split())


class HarnessError(Exception):
    """A task that is missing or that must not be run; the message names the file and what is wrong with it."""


def local_tasks(folder: Path, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The configuration of each task in `names`, by name, from the YAML files below `folder`; paths in it are absolute.

    Raises HarnessError for a name that no file defines, and for a task that asks for more than is listed here.
    """
    root = folder.resolve()
    if not root.is_dir():
        raise HarnessError(f"{folder} is not a folder")
    found: dict[str, dict[str, Any]] = {}
    problems: list[str] = []
    for path in sorted([*root.rglob("*.yaml"), *root.rglob("*.yml")]):
        try:
            config = _read(path, root)
            if config.get("task") in names:
                found[config["task"]] = _checked(path, root, config)
        except HarnessError as error:
            problems.append(str(error))
    missing = [name for name in names if name not in found]
    if missing:
        raise HarnessError("\n".join([*problems, f"no usable task {', '.join(missing)} in {folder}"]))
    return found


def _read(path: Path, root: Path, depth: int = 0) -> dict[str, Any]:
    """One file, over the files that it includes; its own keys win."""
    try:
        # Not the harness's loader: this one knows no tag that runs anything.
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.constructor.ConstructorError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise HarnessError(f"{path}:{line}: {error.problem}; tasks may not hold code such as !function") from error
    except (yaml.YAMLError, OSError, UnicodeDecodeError) as error:
        raise HarnessError(f"{path}: {error}") from error
    if not isinstance(document, dict):
        return {}
    included: dict[str, Any] = {}
    for name in _listed(document.pop("include", [])):
        if depth == 8:
            raise HarnessError(f"{path}: includes are nested too deep")
        included = {**_read(_inside(path, root, name), root, depth + 1), **included}
    return {**included, **document}


def _checked(path: Path, root: Path, config: dict[str, Any]) -> dict[str, Any]:
    unknown = sorted(set(config) - KEYS)
    if unknown:
        raise HarnessError(f"{path}: {', '.join(map(str, unknown))} cannot be used in a local task")
    if config.get("dataset_path") not in LOADERS:
        raise HarnessError(f"{path}: dataset_path must be one of {', '.join(sorted(LOADERS))}, with local data_files")
    for metric in config.get("metric_list") or []:
        if not isinstance(metric, dict) or metric.get("metric") not in METRICS or metric.get("hf_evaluate"):
            raise HarnessError(f"{path}: {metric} is not a metric of the harness's own")
    strange = sorted(set(config.get("generation_kwargs") or {}) - GENERATION)
    if strange:
        raise HarnessError(f"{path}: generation_kwargs may not hold {', '.join(strange)}")
    return {**config, "dataset_kwargs": {"data_files": _data_files(path, root, config)}}


def _data_files(path: Path, root: Path, config: Mapping[str, Any]) -> dict[str, list[str]]:
    """The rows of each split, as absolute paths: the harness would look for them where the process happens to run."""
    given = config.get("dataset_kwargs")
    if not isinstance(given, dict) or set(given) != {"data_files"}:
        raise HarnessError(f"{path}: dataset_kwargs must hold data_files, and nothing else")
    files = given["data_files"]
    splits = files if isinstance(files, dict) else {"train": files}
    return {str(split): [str(_inside(path, root, name)) for name in _listed(names)] for split, names in splits.items()}


def _inside(path: Path, root: Path, name: object) -> Path:
    """The file `name`, relative to that of the task; it must exist within the tasks' folder."""
    file = (path.parent / str(name)).resolve()
    if not file.is_relative_to(root) or not file.is_file():
        raise HarnessError(f"{path}: {name} is not a file within {root}")
    return file


def _listed(value: object) -> list[object]:
    return list(value) if isinstance(value, list) else [value]
