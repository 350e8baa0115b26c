"""A user's Axolotl configuration as the recipe of every cycle."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from workers.node.chain.arguments import MAX_SEED, Wish
from workers.node.chain.machine import Machine, unknown_keys

PLUGIN = "workers.node.plugin.LatticeForgePlugin"
DEFAULT_SEED = 42
SAVE_STEPS = 100
EPOCHS_ENOUGH = 1000
"""Beside max_steps: the steps decide."""
FILE_ENDINGS = (".json", ".jsonl", ".parquet")
FORMAT_OF_TYPE = {"alpaca": "alpaca", "chat_template": "messages", "completion": "completion"}
TYPE_OF_FORMAT: Mapping[str, dict[str, Any]] = {
    "alpaca": {"type": "alpaca"},
    "messages": {"type": "chat_template", "field_messages": "messages"},
    "completion": {"type": "completion", "field": "text"},
}
READ_OF_A_DATASET = frozenset({"path", "type", "ds_type", "split"})
NOT_HERE = {
    "relora": "the chain makes the cycles itself, and Axolotl's own ReLoRA loses merged weights when it is resumed",
    "jagged_restart_steps": "the chain makes the cycles itself",
    "rl": "a cycle trains on answers, not on preferences",
    "lora_model_dir": "a cycle begins with a new adapter",
    "resume_from_checkpoint": "the chain resumes by itself",
    "plugins": "the chain's jobs load their own and no other",
    "deepspeed": "a merge needs an adapter that is whole",
    "fsdp_config": "a merge needs an adapter that is whole",
}
DECIDED = {
    "output_dir": "the chain keeps each cycle in a folder of its own",
    "dataset_prepared_path": "the chain keeps each cycle in a folder of its own",
    "val_set_size": "nothing is held out, for nothing is evaluated",
}
ON_CPU: Mapping[str, Any] = {
    **dict.fromkeys(("bf16", "fp16", "tf32", "gradient_checkpointing", "dataloader_pin_memory"), False),
    **dict.fromkeys(("lora_mlp_kernel", "lora_qkv_kernel", "lora_o_kernel", "lora_embedding_kernel"), False),
    "dataset_num_proc": 1,
}


class RecipeError(Exception):
    """A configuration that cannot be chained; each problem names its key."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))


@dataclass(frozen=True, slots=True)
class Recipe:
    """What every cycle has in common. `model` and `source` are absolute paths or hub ids; `settings` Axolotl's keys."""

    model: str
    source: str
    row_format: str
    seed: int
    settings: dict[str, Any] = field(default_factory=dict)

    def facts(self) -> dict[str, Any]:
        """Plain JSON by which a chain recognises its own recipe."""
        return asdict(self)


def read_recipe(wish: Wish, machine: Machine) -> Recipe:
    """The recipe in `wish.config` with the command line's words over it. Raises RecipeError with every problem."""
    written = _read(wish.config)
    config = {key: value for key, value in written.items() if value is not None}
    entry, problems = _dataset_of(config)
    problems += unknown_keys(list(written), machine)
    problems += [f"{key}: {why}" for key, why in NOT_HERE.items() if config.get(key)]
    if config.get("adapter") not in ("lora", "qlora"):
        problems.append(f"adapter: must be lora or qlora, not {config.get('adapter')!r}: an adapter is what is merged")
    model = _place(("--model", wish.model), ("base_model", config.get("base_model")), problems)
    source = _place(("--dataset", wish.dataset), ("datasets", entry.get("path")), problems)
    row_format = wish.row_format or FORMAT_OF_TYPE.get(str(entry.get("type")), "")
    if not row_format:
        problems.append(f"datasets: type must be one of {', '.join(FORMAT_OF_TYPE)}, or give --format")
    seed = config.get("seed", DEFAULT_SEED) if wish.seed is None else wish.seed
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed <= MAX_SEED:
        problems.append(f"seed: must be a whole number from 0 to {MAX_SEED}")
    problems += _wrong_scale(config)
    if problems:
        raise RecipeError([f"{wish.config}: {problem}" for problem in problems])
    settings = _with_rank(config, wish.rank)
    if wish.steps is not None:
        settings |= {"max_steps": wish.steps, "num_epochs": EPOCHS_ENOUGH}
    return Recipe(model, source, row_format, seed, settings)


def remarks(recipe: Recipe) -> list[str]:
    """One sentence for each setting that the chain decides itself, whatever the configuration says."""
    return [f"{key}: set aside; {why}" for key, why in DECIDED.items() if recipe.settings.get(key) is not None]


def _place(option: tuple[str, object], setting: tuple[str, object], problems: list[str]) -> str:
    """A model's or dataset's absolute path or hub id: the option's, else the configuration's."""
    name, place = option if option[1] is not None else setting
    if not isinstance(place, str) or not place:
        problems.append(f"{setting[0]}: names nothing, and {option[0]} is not given")
    elif Path(place).exists():
        return str(Path(place).absolute())
    elif place.startswith(("/", ".", "~")) or Path(place).suffix in FILE_ENDINGS:
        problems.append(f"{name}: there is no {place}")
    # Anything else may be a hub id.
    return str(place)


def cycle_config(recipe: Recipe, cycle: int, base_model: str, output_dir: Path, data_dir: Path) -> dict[str, Any]:
    """The configuration of one cycle's training, counted from 1; the folders are the job's."""
    rows = {"path": str(data_dir / "train.jsonl"), "ds_type": "json", **TYPE_OF_FORMAT[recipe.row_format]}
    return {
        "save_steps": SAVE_STEPS,
        **({"chat_template": "tokenizer_default_fallback_chatml"} if recipe.row_format == "messages" else {}),
        **recipe.settings,
        "base_model": base_model,
        "datasets": [rows],
        "dataset_prepared_path": str(data_dir / "prepared"),
        "output_dir": str(output_dir),
        "plugins": [PLUGIN],
        # With one seed for all, every adapter would begin with the same random matrix.
        "seed": recipe.seed + cycle - 1,
        "val_set_size": 0.0,
        "save_strategy": "steps",
        "save_total_limit": 2,
        "logging_steps": 1,
    }


def device_config(machine: Machine, gpus: int) -> dict[str, Any]:
    """What the machine adds to a configuration, on which the user has no say."""
    if not machine.gpus:
        return dict(ON_CPU)
    return {"ddp_find_unused_parameters": False} if gpus > 1 else {}


def _read(path: Path) -> dict[str, Any]:
    import yaml

    try:
        text = path.read_text(encoding="utf-8")
        doubled = _doubled_keys(yaml.compose(text, Loader=yaml.SafeLoader))
        config = yaml.safe_load(text)
    except OSError as error:
        raise RecipeError([f"{path}: {error.strerror}"]) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RecipeError([f"{path}: is not YAML: {error}"]) from error
    except RecursionError as error:
        raise RecipeError([f"{path}: is nested too deep"]) from error
    except (ValueError, OverflowError) as error:  # 0x_, or the 45th of a month
        raise RecipeError([f"{path}: holds a value that cannot be read: {error}"]) from error
    if doubled:
        raise RecipeError([f"{path}: {key}: is set twice; keep one" for key in doubled])
    if not isinstance(config, dict):
        raise RecipeError([f"{path}: must be a mapping of settings"])
    return {str(key): value for key, value in config.items()}


def _doubled_keys(root: Any) -> list[str]:
    """The last of two would win without a word."""
    keys = [str(key.value) for key, _ in root.value] if root is not None and root.id == "mapping" else []
    return sorted({key for key in keys if keys.count(key) > 1})


def _wrong_scale(config: Mapping[str, Any]) -> list[str]:
    """What another rank could not be scaled from."""
    rank, alpha = config.get("lora_r"), config.get("lora_alpha")
    problems = []
    if rank is not None and (isinstance(rank, bool) or not isinstance(rank, int) or rank < 1):
        problems.append("lora_r: must be a whole number above 0")
    numeric = isinstance(alpha, int | float) and not isinstance(alpha, bool)
    if alpha is not None and not (numeric and math.isfinite(alpha) and alpha > 0):
        problems.append("lora_alpha: must be a number above 0")
    return problems


def _dataset_of(config: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    entries = config.get("datasets", [{}])
    if not isinstance(entries, list) or len(entries) != 1 or not isinstance(entries[0], dict):
        return {}, ["datasets: must be a list of one dataset"]
    entry = {key: value for key, value in entries[0].items() if value is not None}
    problems = [f"datasets: {key} is not read by the chain" for key in sorted(set(entry) - READ_OF_A_DATASET)]
    if entry.get("split", "train") != "train":
        problems.append("datasets: split must be train")
    return entry, problems


def _with_rank(config: Mapping[str, Any], rank: int | None) -> dict[str, Any]:
    """Another rank at the same scale: alpha follows in proportion."""
    old, alpha = config.get("lora_r"), config.get("lora_alpha")
    if rank is None or rank == old:
        return dict(config)
    if isinstance(old, int) and isinstance(alpha, int | float):
        return {**config, "lora_r": rank, "lora_alpha": max(1, round(alpha * rank / old))}
    return {**config, "lora_r": rank, "lora_alpha": 2 * rank}
