"""The options that several commands share, and the body that they make."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial, wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from api.typed_text import plain_value, read_settings
from orchestrator.domain.errors import InvalidInputError
from orchestrator.domain.json_value import JsonValue
from orchestrator.domain.run import Prefer

T = TypeVar("T")

UrlOption = Annotated[
    str | None,
    typer.Option("--url", help="The service. Default: $LATTICEFORGE_URL, else the one that runs on this home."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the API's own document.")]
RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="A run's id, for example run_3f9c1a7be204.")]
StrategyArgument = Annotated[
    str | None, typer.Argument(metavar="STRATEGY", help="A name or letter; see `strategies`. Not needed with --recipe.")
]
BudgetOption = Annotated[str, typer.Option("--budget", "-b", help="Dollars: never more than this is spent.")]
ModelOption = Annotated[str | None, typer.Option(help="A model folder or hub id.")]
DatasetOption = Annotated[
    str | None, typer.Option(help="A JSONL or Parquet file, an uploaded dataset's id or a hub id.")
]
HeldoutOption = Annotated[str | None, typer.Option(help="A file or uploaded dataset to evaluate on.")]
HoursOption = Annotated[float | None, typer.Option("--max-hours", help="The most machine time.")]
GpusOption = Annotated[int | None, typer.Option(help="How many accelerators.")]
SeedOption = Annotated[int | None, typer.Option(help="Decides split, order and initial weights.")]
NameOption = Annotated[str | None, typer.Option(help="Shown in lists.")]
OverrideOption = Annotated[
    list[str] | None, typer.Option("--override", "-o", metavar="KEY=VALUE", help="A trainer's key; JSON or text.")
]
OverridesOption = Annotated[
    Path | None,
    typer.Option("--overrides", exists=True, dir_okay=False, help="A file of trainer's keys, YAML or JSON."),
]
PreferencesOption = Annotated[
    str | None, typer.Option(help="Preference pairs, for a strategy that trains on them after another dataset.")
]
ParamOption = Annotated[
    list[str] | None,
    typer.Option("--param", "-p", metavar="NAME=VALUE", help="A parameter of the strategy; see `strategies NAME`."),
]
TechniqueOption = Annotated[
    list[str] | None, typer.Option("--technique", "-t", metavar="NAME", help="One of those that custom trains with.")
]
RecipeOption = Annotated[
    Path | None, typer.Option(exists=True, dir_okay=False, help="An Axolotl configuration of your own, as YAML.")
]
MergedOption = Annotated[bool, typer.Option("--merged", help="Merge the adapter into a whole model at the end.")]
TaskOption = Annotated[
    list[str] | None, typer.Option("--task", metavar="TASK", help="An lm-evaluation-harness task to evaluate on.")
]
TasksFolderOption = Annotated[str | None, typer.Option(help="A folder with tasks of your own.")]
TaskLimitOption = Annotated[int | None, typer.Option(help="The most rows of each task.")]
AcceleratorOption = Annotated[
    list[str] | None, typer.Option("--accelerator", metavar="NAME", help="One that may be used, such as H200; repeat.")
]
SpotOption = Annotated[bool | None, typer.Option("--spot/--no-spot", help="Only spot machines, or none; default: any.")]
PreferOption = Annotated[Prefer | None, typer.Option(help="What decides between plans that train the same.")]
NoticesOption = Annotated[bool, typer.Option("--notices", hidden=True, help="Show the lines of standard input too.")]


def wish(
    *,
    strategy: StrategyArgument = None,
    budget: BudgetOption,
    model: ModelOption = None,
    dataset: DatasetOption = None,
    preferences: PreferencesOption = None,
    heldout: HeldoutOption = None,
    max_hours: HoursOption = None,
    gpus: GpusOption = None,
    seed: SeedOption = None,
    name: NameOption = None,
    param: ParamOption = None,
    technique: TechniqueOption = None,
    recipe: RecipeOption = None,
    override: OverrideOption = None,
    overrides: OverridesOption = None,
    merged: MergedOption = False,
    task: TaskOption = None,
    tasks_folder: TasksFolderOption = None,
    task_limit: TaskLimitOption = None,
    accelerator: AcceleratorOption = None,
    spot: SpotOption = None,
    prefer: PreferOption = None,
) -> dict[str, Any]:
    """The body of a draft: what was given, overrides from the file first, then from the line."""
    if strategy is None and recipe is None:
        raise typer.BadParameter("name one, or give a recipe of your own with --recipe", param_hint="STRATEGY")
    given = {
        "strategy": strategy, "budget": budget, "max_hours": max_hours, "gpus": gpus, "seed": seed, "name": name,
        "model": _here(model), "dataset": _here(dataset), "preferences": _here(preferences), "heldout": _here(heldout),
        "parameters": _pairs(param, "--param") or None,
        "techniques": technique or None,
        "recipe": None if recipe is None else _text(recipe, "--recipe"),
        "overrides": {**_file(overrides), **_pairs(override, "--override")} or None,
        "merged": merged or None,
        "harness": _harness(task, tasks_folder, task_limit),
        "accelerators": accelerator or None, "spot": spot, "prefer": None if prefer is None else prefer.value,
    }  # fmt: skip
    return {key: value for key, value in given.items() if value is not None}


def takes_a_wish(command: Callable[..., None]) -> Callable[..., None]:
    """The command with the options of `wish` in place of its first parameter, which gets the body that they make."""
    return takes(wish, signature(wish, eval_str=True).parameters, command)


def takes(
    make: Callable[..., dict[str, Any]], wished: Mapping[str, Parameter], command: Callable[..., None]
) -> Callable[..., None]:
    """The command with the parameters `wished` in place of its first one, which gets what `make` makes of them."""
    first, *own = signature(command, eval_str=True).parameters.values()

    @wraps(command)
    def called(**given: Any) -> None:
        body = make(**{name: given.pop(name) for name in wished})
        command(**{first.name: body}, **given)

    parameters = [*wished.values(), *(each.replace(kind=Parameter.KEYWORD_ONLY) for each in own)]
    called.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    called.__annotations__ = {each.name: each.annotation for each in parameters}
    return called


def _harness(tasks: list[str] | None, folder: str | None, limit: int | None) -> dict[str, Any] | None:
    asked = {"tasks": tasks or None, "include_path": _here(folder), "limit": limit}
    return {key: value for key, value in asked.items() if value is not None} or None


def _file(path: Path | None) -> dict[str, JsonValue]:
    return (
        {} if path is None else _usable(lambda: read_settings(_text(path, "--overrides"), "overrides"), "--overrides")
    )


def _pairs(given: list[str] | None, option: str) -> dict[str, JsonValue]:
    pairs: dict[str, JsonValue] = {}
    for text in given or ():
        name, equals, value = text.partition("=")
        if not name.strip() or not equals:
            raise typer.BadParameter(f"{text!r} is not NAME=VALUE", param_hint=option)
        pairs[name.strip()] = _usable(partial(plain_value, value, name.strip()[:60]), option)
    return pairs


def _text(path: Path, option: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"{path} cannot be read as text: {error}", param_hint=option) from error


def _usable(read: Callable[[], T], option: str) -> T:
    try:
        return read()
    except InvalidInputError as error:
        raise typer.BadParameter(str(error), param_hint=option) from error


def _here(value: str | None) -> str | None:
    """What is on this disk by its absolute path: the service runs in another folder."""
    if value is None:
        return None
    path = Path(value).expanduser()
    return str(path.absolute()) if path.exists() else value
