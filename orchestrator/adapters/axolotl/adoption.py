"""A user's own Axolotl configuration as a run's recipe: every key is used, said to be left out, or refused."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import cast

from orchestrator.adapters.axolotl.bounds import out_of_bounds
from orchestrator.adapters.axolotl.permissions import PERMITTED, matches
from orchestrator.adapters.axolotl.recipe_dataset import Reading, read_datasets
from orchestrator.adapters.axolotl.recipe_keys import IN_A_RECIPE, OF_PLUGINS, TAKEN_OVER, is_empty, is_off, set_aside
from orchestrator.adapters.axolotl.recipe_text import RECIPE
from orchestrator.adapters.axolotl.review import contradictions, problems_of
from orchestrator.adapters.axolotl.schema import check_keys_and_types, known_keys
from orchestrator.adapters.axolotl.setting import Device, Setting
from orchestrator.adapters.axolotl.translation import Translation, translate
from orchestrator.domain.errors import FieldProblem
from orchestrator.domain.json_value import JsonValue
from orchestrator.ports.trainer import Adoption

EXPONENT = re.compile(r"[-+]?\d{1,17}(\.\d{0,17})?[eE][-+]?\d{1,3}")
MAX_SEED = 2**31 - 1
SHAPE: Mapping[str, int] = {
    "micro_batch_size": 1,
    "gradient_accumulation_steps": 1,
    "sequence_len": 512,
    "num_epochs": 1,
}
"""Axolotl's own defaults for what a planner must know."""
EPOCHS_ENOUGH = 1000
CAREFUL_RATE = 5e-5
"""Axolotl has no default. The study book's strategies name none either; this one was best for A (docs/adr/0005)."""
SECOND_NAMES = ("tokenizer_config", "base_model_config")
FLASH = "flash_* xformers"


def adopt_recipe(recipe: Mapping[str, object], *, device: Device = "cuda") -> Adoption:
    """What `recipe` asks of a run on one machine of the kind `device`; see the port for its promises. Never raises."""
    if (gate := out_of_bounds(recipe, RECIPE)) is not None:
        return Adoption({}, problems=(gate,))
    notes: list[str] = []
    written = translate(recipe, RECIPE)
    notes.extend(written.notes)
    config = dict(_left(_with_numbers(written.config, notes), notes))
    taken = {key: config.pop(key) for key in sorted(TAKEN_OVER & config.keys())}
    given = replace(written, config=config)
    problems = [*_problems(given), *_problems_of_taken(taken)]
    reading = _reading(taken, pairs=config.get("rl") == "orpo")
    problems.extend(reading.problems)
    problems.extend(_take_template(reading, config, notes))
    if not problems:
        problems.extend(contradictions(Setting(config, device), given, RECIPE, RECIPE))
        _complete(config, notes)
    return Adoption(
        settings=cast("dict[str, JsonValue]", config),
        model=model if isinstance(model := taken.get("base_model"), str) else None,
        dataset=reading.dataset,
        seed=seed if isinstance(seed := taken.get("seed"), int) else None,
        notes=tuple(notes),
        problems=tuple(problems),
    )


def _with_numbers(config: Mapping[str, object], notes: list[str]) -> dict[str, object]:
    """`config` with `"2e-5"` as a number where one is wanted: YAML's readers give text, and Axolotl accepts it."""
    read = dict(config)
    for key, value in config.items():
        wanted = IN_A_RECIPE.open_keys.get(key, {}).get("type")
        if wanted == "number" and isinstance(value, str) and EXPONENT.fullmatch(value):
            read[key] = float(value)
            notes.append(f"{key}: the text {value} is read as a number")
    return read


def _left(config: Mapping[str, object], notes: list[str]) -> Iterator[tuple[str, object]]:
    """The settings that ask for something; why the others are left out goes to `notes`, one line a reason."""
    aside: dict[str, list[str]] = {}
    for key, value in config.items():
        same = key in SECOND_NAMES and value == config.get("base_model")
        why = "left out, for it is base_model anyway" if same else _why_left_out(key, value)
        if why is None:
            yield key, value
        else:
            aside.setdefault(why, []).append(key)
    notes.extend(f"{', '.join(keys)}: {why}" for why, keys in aside.items())


def _why_left_out(key: str, value: object) -> str | None:
    if key not in known_keys():
        # A plugin's switch that is off asks for nothing; any other unknown key must be refused, even an empty one.
        return "left out, off here too" if matches(key, OF_PLUGINS) and is_off(value) else None
    if is_empty(value):
        return "left out, for nothing is set there"
    if key == "attn_implementation" and isinstance(value, str) and matches(value, FLASH):
        return "set aside; the same attention is computed by PyTorch's own kernels"
    # An open key may have values that ask for nothing as well, as max_steps: -1.
    aside = None if key in PERMITTED else set_aside(key, value)
    return None if aside is None else f"set aside; {aside.why}"


def _problems(given: Translation) -> Iterator[FieldProblem]:
    for problem in problems_of(given, RECIPE, IN_A_RECIPE):
        key = problem.field.removeprefix(f"{RECIPE}.")
        if key not in known_keys() and matches(key, OF_PLUGINS):
            yield FieldProblem(problem.field, "belongs to a plugin of Axolotl, and a run loads none")
        else:
            yield problem
    if {"warmup_steps", "warmup_ratio"} <= given.config.keys():
        yield FieldProblem(f"{RECIPE}.warmup_ratio", "says the same as warmup_steps in another way; keep one of them")


def _problems_of_taken(taken: Mapping[str, object]) -> Iterator[FieldProblem]:
    yield from check_keys_and_types({key: value for key, value in taken.items() if key == "base_model"}, RECIPE)
    seed = taken.get("seed", 0)
    # A schema takes 7.0 and 1e9 for whole numbers; a run would train with another seed.
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed <= MAX_SEED:
        yield FieldProblem(f"{RECIPE}.seed", f"must be a whole number from 0 to {MAX_SEED}")


def _reading(taken: Mapping[str, object], *, pairs: bool) -> Reading:
    if "datasets" not in taken:
        return Reading(None)
    return read_datasets(taken["datasets"], pairs=pairs, path=f"{RECIPE}.datasets")


def _take_template(reading: Reading, config: dict[str, object], notes: list[str]) -> Iterator[FieldProblem]:
    """A chat template that the dataset names is the recipe's, unless that has another one already."""
    template, own = reading.chat_template, config.get("chat_template")
    if template is None or template == own:
        return
    path = f"{RECIPE}.datasets.0.chat_template"
    if own is not None:
        yield FieldProblem(path, f"says something else than chat_template, which is {own}; keep one of them")
        return
    for problem in problems_of(Translation({"chat_template": template}), RECIPE, IN_A_RECIPE):
        yield FieldProblem(path, problem.message)
    config["chat_template"] = template
    notes.append("datasets: the chat_template of the dataset is the recipe's")


def _complete(config: dict[str, object], notes: list[str]) -> None:
    """Add what planning needs: Axolotl's defaults, and a careful learning rate."""
    if {"max_steps", "num_epochs"} <= config.keys():
        notes.append("max_steps is a limit: training ends there or after num_epochs, whichever comes first")
    for key, default in SHAPE.items():
        if key in config:
            continue
        if key == "num_epochs" and "max_steps" in config:
            # Alone, max_steps is the length; Axolotl's one epoch would be a second limit that nobody set.
            config[key] = EPOCHS_ENOUGH
            notes.append("num_epochs is not set: max_steps alone is the length")
            continue
        config[key] = default
        notes.append(f"{key} is not set: {default}, as Axolotl has it")
    if "learning_rate" not in config:
        config["learning_rate"] = CAREFUL_RATE
        notes.append(f"learning_rate is not set, and Axolotl has no default: {CAREFUL_RATE} is taken")
