"""What a user's overrides would do to a strategy, said before anything is reserved or rented."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from orchestrator.adapters.axolotl.bounds import out_of_bounds
from orchestrator.adapters.axolotl.permissions import OVERRIDING, Permissions, not_permitted
from orchestrator.adapters.axolotl.rules import broken_rules, nearest_name
from orchestrator.adapters.axolotl.schema import check_keys_and_types
from orchestrator.adapters.axolotl.setting import Device, Rule, Setting
from orchestrator.adapters.axolotl.translation import Translation, translate
from orchestrator.domain.errors import FieldProblem

OVERRIDES = "overrides"
STRATEGY = "strategy"
OF_THE_OPTIMIZER = ("optim_args", "optim_target_modules")
SUGGESTED = {"unknown-optimizer": "optimizers", "unknown-scheduler": "lr_schedulers"}


@dataclass(frozen=True, slots=True)
class Review:
    """The verdict, and what came of the overrides.

    `settings` are the strategy's keys and the overrides over them, in Axolotl's spelling, fit for use only when there
    are no `problems`. `notes` tell the user how the overrides were understood.
    """

    settings: Mapping[str, object]
    overridden: Translation
    notes: tuple[str, ...] = ()
    problems: tuple[FieldProblem, ...] = ()


def review_overrides(
    technique_config: Mapping[str, object],
    overrides: Mapping[str, object],
    *,
    device: Device = "cuda",
    gpus: int = 1,
) -> Review:
    """Everything that is wrong with `overrides` on top of a strategy's own `technique_config`; never raises.

    Paths start with `overrides.`; a contradiction in which no override has a part is the strategy's: its field is
    `strategy`. Made to be called before a plan exists too, when only the kind of machine is known.
    """
    if (gate := out_of_bounds(overrides, OVERRIDES)) is not None:
        return Review({}, Translation({}), problems=(gate,))
    strategy = translate(technique_config, STRATEGY)
    user = translate(overrides, OVERRIDES)
    problems = [
        *strategy.problems,
        *check_keys_and_types(strategy.config, STRATEGY),
        *problems_of(user, OVERRIDES, OVERRIDING),
    ]
    settings = merged(strategy.config, user.config)
    if not problems:
        problems.extend(contradictions(Setting(settings, device, gpus), user, OVERRIDES, STRATEGY))
    return Review(settings, user, user.notes, tuple(problems))


def merged(strategy: Mapping[str, object], overrides: Mapping[str, object]) -> dict[str, object]:
    """The overrides over the strategy's keys.

    `optim_args` are joined argument by argument; but an override that changes the optimizer leaves the strategy's
    arguments and target modules behind, for they belonged to the old one.
    """
    kept = dict(strategy)
    if "optimizer" in overrides and overrides["optimizer"] != strategy.get("optimizer"):
        kept = {key: value for key, value in strategy.items() if key not in OF_THE_OPTIMIZER}
    result = {**kept, **overrides}
    ours, theirs = kept.get("optim_args"), overrides.get("optim_args")
    if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        result["optim_args"] = {**ours, **theirs}
    return result


def contradictions(setting: Setting, given: Translation, prefix: str, otherwise: str) -> Iterator[FieldProblem]:
    """A problem for every broken rule, at the user's setting that had a part in it, else at the path `otherwise`."""
    for rule in broken_rules(setting):
        culprit = next((field for field in rule.fields if field in given.config), None)
        path = otherwise if culprit is None else f"{prefix}.{given.spelled.get(culprit, culprit)}"
        yield FieldProblem(path, _reason(rule, setting))


def problems_of(given: Translation, prefix: str, permissions: Permissions) -> Iterator[FieldProblem]:
    """What is wrong with a user's settings one by one: spellings, keys, types and permissions, as the user wrote them.

    `given` comes from `translate`, behind `bounds.out_of_bounds`.
    """
    yield from given.problems
    typed = check_keys_and_types(given.config, prefix)
    wrong = {problem.field.split(".")[1] for problem in typed if problem.field.startswith(f"{prefix}.")}
    sound = {key: value for key, value in given.config.items() if key not in wrong}
    for problem in (*typed, *not_permitted(sound, prefix, permissions)):
        yield given.as_written(problem, prefix)


def _reason(rule: Rule, setting: Setting) -> str:
    kind = SUGGESTED.get(rule.id)
    near = kind and nearest_name(kind, setting.config.get(rule.fields[0]))
    return f"{rule.reason}; did you mean {near}?" if near else rule.reason
