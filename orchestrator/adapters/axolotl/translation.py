"""The study book's spellings, and those of PEFT and the GaLore paper, as the keys that Axolotl 0.19 reads.

Axolotl ignores `lora_use_dora` without a word and trains a plain LoRA; a run that was paid for as DoRA must be DoRA.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from orchestrator.domain.errors import FieldProblem

RENAMED: Mapping[str, str] = {
    "lora_use_dora": "peft_use_dora",
    "lora_use_rslora": "peft_use_rslora",
    "use_dora": "peft_use_dora",
    "use_rslora": "peft_use_rslora",
    "galore_target_modules": "optim_target_modules",
    "noisy_embedding_alpha": "neftune_noise_alpha",
}
INTO_OPTIM_ARGS: Mapping[str, str] = {
    "galore_rank": "rank",
    "galore_update_proj_gap": "update_proj_gap",
    "galore_scale": "scale",
    "galore_proj_type": "proj_type",
}
GALORE_PREFIX = "galore_"
GALORE_TARGETS = ("self_attn", "mlp")
"""Attention and MLP linears: what the study book's configuration means, and what Axolotl wants said."""


@dataclass(frozen=True, slots=True)
class Translation:
    """A configuration in Axolotl's keys.

    `notes` tell the user what was understood; `problems` are conflicts between two spellings of one setting; `spelled`
    maps a real path (`optim_args.rank`) to the key that the user wrote (`galore_rank`).
    """

    config: dict[str, object]
    notes: tuple[str, ...] = ()
    problems: tuple[FieldProblem, ...] = ()
    spelled: Mapping[str, str] = field(default_factory=dict)

    def as_written(self, problem: FieldProblem, prefix: str) -> FieldProblem:
        """The same problem, at the path that the user wrote."""
        path = problem.field.removeprefix(f"{prefix}.")
        written = self.spelled.get(path)
        return problem if written is None else FieldProblem(f"{prefix}.{written}", problem.message)


def translate(config: Mapping[str, object], prefix: str) -> Translation:
    """`config` in the real keys; keys that need no translation pass through untouched.

    `config` must have passed `bounds.out_of_bounds`; then nothing is raised. It is not mutated.
    """
    draft = _Draft(prefix, {key: value for key, value in config.items() if not is_foreign(key)})
    for written, real in RENAMED.items():
        if written in config:
            draft.rename(written, real, config[written])
    for written, argument in INTO_OPTIM_ARGS.items():
        if written in config:
            draft.into_optim_args(written, argument, config[written])
    draft.name_galore_targets(asked_by_the_book=any(key in config for key in INTO_OPTIM_ARGS))
    return Translation(draft.config, tuple(draft.notes), tuple(draft.problems), draft.spelled)


def is_foreign(key: str) -> bool:
    """Whether `key` is one of the spellings that are translated."""
    return key in RENAMED or key in INTO_OPTIM_ARGS


def uses_galore(config: Mapping[str, object]) -> bool:
    """Whether the optimizer is one of Transformers' GaLore family (`galore_adamw_8bit`, ...)."""
    return str(config.get("optimizer", "")).startswith(GALORE_PREFIX)


class _Draft:
    """The translation while it grows."""

    def __init__(self, prefix: str, config: dict[str, object]) -> None:
        self.prefix = prefix
        self.config = config
        self.notes: list[str] = []
        self.problems: list[FieldProblem] = []
        self.spelled: dict[str, str] = {}

    def rename(self, written: str, real: str, value: object) -> None:
        other = self.spelled.get(real, real)
        if real in self.config and not _same(self.config[real], value):
            self._conflict(written, other)
            return
        if real not in self.config:
            self.spelled[real] = written
        self.config[real] = value
        self.notes.append(f"{written} is read as {real}, as Axolotl calls it")

    def into_optim_args(self, written: str, argument: str, value: object) -> None:
        known = self.config.get("optim_args")
        if known is not None and not isinstance(known, Mapping):
            message = "cannot be added to optim_args written as text; write optim_args as a mapping"
            self.problems.append(FieldProblem(f"{self.prefix}.{written}", message))
            return
        arguments = dict(known or {})
        if argument in arguments and not _same(arguments[argument], value):
            self._conflict(written, f"optim_args.{argument}")
            return
        if argument not in arguments:
            self.spelled[f"optim_args.{argument}"] = written
        self.config["optim_args"] = {**arguments, argument: value}
        self.notes.append(f"{written} is read as optim_args.{argument}, as Axolotl calls it")

    def name_galore_targets(self, *, asked_by_the_book: bool) -> None:
        if asked_by_the_book and uses_galore(self.config) and self.config.get("optim_target_modules") is None:
            self.config["optim_target_modules"] = list(GALORE_TARGETS)
            self.notes.append(f"optim_target_modules is set to [{', '.join(GALORE_TARGETS)}]: GaLore needs it said")

    def _conflict(self, written: str, other: str) -> None:
        message = f"says something else than {other}, which is the same setting; keep one of them"
        self.problems.append(FieldProblem(f"{self.prefix}.{written}", message))


def _same(left: object, right: object) -> bool:
    """Equality that does not take 1 for true."""
    return left == right and isinstance(left, bool) == isinstance(right, bool)
