"""A user's lm-evaluation-harness tasks, read as data. The harness itself would read them as code.

It resolves `!function` tags by importing the file they name, loads YAML with a loader that builds any Python object,
and takes metrics, datasets and generation code from the hub by name. A user's folder is input, so only what is listed
here is read; what is not is refused, with the file and the key that it stands in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from workers.node.harness_files import HarnessError, TaskFiles, inside, listed

__all__ = ["HarnessError", "local_tasks"]

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


STRANGE = (ValueError, TypeError, OverflowError, RecursionError, OSError)
"""What a file of another shape than expected may raise; its words may hold the file's content, and are not told."""


class TwiceDefinedError(HarnessError):
    """A task that two files define: which of them is meant is not ours to choose."""


def local_tasks(folder: Path, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The configuration of each task in `names`, by name, from the YAML files below `folder`; paths in it are absolute.

    Raises HarnessError for a name that no file defines, or several do, and for a task that asks for more than is
    listed here. What is wrong with a file of other tasks does no harm.
    """
    root = folder.resolve()
    if not root.is_dir():
        raise HarnessError(f"{folder} is not a folder")
    found: dict[str, dict[str, Any]] = {}
    problems: list[str] = []
    files = TaskFiles(root)
    for path in files.paths():
        try:
            config = files.config(path)
            if config.get("task") in names:
                _refuse_second(path, config["task"], found)
                found[config["task"]] = _checked(path, root, config)
        except TwiceDefinedError:
            raise
        except HarnessError as error:
            problems.append(str(error))
        except STRANGE as error:
            problems.append(f"{path}: cannot be read as a task ({type(error).__name__})")
    missing = [name for name in names if name not in found]
    if missing:
        raise HarnessError("\n".join([*problems[:20], f"no usable task {', '.join(missing)} in {folder}"]))
    return found


def _refuse_second(path: Path, name: str, found: Mapping[str, object]) -> None:
    if name in found:
        raise TwiceDefinedError(f"{path}: {name} is defined in another file as well")


def _checked(path: Path, root: Path, config: dict[str, Any]) -> dict[str, Any]:
    unknown = sorted(map(str, set(config) - KEYS))
    if unknown:
        raise HarnessError(f"{path}: {', '.join(unknown)[:200]} cannot be used in a local task")
    if config.get("dataset_path") not in LOADERS:
        raise HarnessError(f"{path}: dataset_path must be one of {', '.join(sorted(LOADERS))}, with local data_files")
    for metric in config.get("metric_list") or []:
        if not isinstance(metric, dict) or metric.get("metric") not in METRICS or metric.get("hf_evaluate"):
            raise HarnessError(f"{path}: {str(metric)[:100]} is not a metric of the harness's own")
    strange = sorted(set(config.get("generation_kwargs") or {}) - GENERATION)
    if strange:
        raise HarnessError(f"{path}: generation_kwargs may not hold {', '.join(map(str, strange))[:200]}")
    return {**config, "dataset_kwargs": {"data_files": _data_files(path, root, config)}}


def _data_files(path: Path, root: Path, config: Mapping[str, Any]) -> dict[str, list[str]]:
    """The rows of each split, as absolute paths: the harness would look for them where the process happens to run."""
    given = config.get("dataset_kwargs")
    if not isinstance(given, dict) or set(given) != {"data_files"}:
        raise HarnessError(f"{path}: dataset_kwargs must hold data_files, and nothing else")
    files = given["data_files"]
    splits = files if isinstance(files, dict) else {"train": files}
    return {str(split): [_data_file(path, root, name) for name in listed(names)] for split, names in splits.items()}


def _data_file(path: Path, root: Path, name: object) -> str:
    file = str(inside(path, root, name))
    if any(mark in file for mark in ("*", "?", "[", "::")):
        raise HarnessError(f"{path}: {file[:200]} would be read as a pattern; rename it without * ? [ and ::")
    return file
