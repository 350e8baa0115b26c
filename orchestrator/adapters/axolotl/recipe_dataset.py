"""The one dataset of a user's Axolotl configuration, as the run's own: where its rows are and what they look like."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from orchestrator.adapters.axolotl.recipe_keys import is_empty
from orchestrator.adapters.axolotl.schema import known_dataset_keys, unknown_dataset_key
from orchestrator.domain.errors import FieldProblem
from orchestrator.ports.trainer import AdoptedDataset

FORMATS: Mapping[str, str] = {
    "alpaca": "alpaca",
    "chat_template": "messages",
    "messages": "messages",
    "completion": "completion",
}
PAIRS = "chat_template.argilla"
PAIRS_FORMAT = "chat_pairs"
FILE_TYPES = ("json", "parquet")
AS_READ: Mapping[str, tuple[object, ...]] = {
    "split": ("train",),
    "ds_type": FILE_TYPES,
    "field": ("text",),
    "field_messages": ("messages",),
    "message_field_role": ("role",),
    "message_field_content": ("content",),
    "message_property_mappings": ({"role": "role", "content": "content"},),
    "roles_to_train": (["assistant"], ["assistant", "gpt"], ["gpt", "assistant"]),
    "train_on_eos": ("turn",),
    "train_on_eot": ("turn",),
    "field_chosen": ("chosen",),
    "field_rejected": ("rejected",),
    "trust_remote_code": (False,),
    "drop_system_message": (False,),
    "split_thinking": (False,),
    "preprocess_shards": (1,),
}
"""What the service does anyway: these values say it again, others ask for something that it does not do."""
UNDERSTOOD = frozenset({"path", "data_files", "type", "chat_template"})
OTHERWISE = "asks for something that the service does not do with rows"


@dataclass(frozen=True, slots=True)
class Reading:
    """What was understood. `chat_template` is the entry's own, None when it names none."""

    dataset: AdoptedDataset | None
    chat_template: object = None
    problems: tuple[FieldProblem, ...] = ()


def read_datasets(entries: object, *, pairs: bool, path: str) -> Reading:
    """The single entry of `datasets`, any JSON; `pairs`: the recipe trains on preference pairs.

    `path` starts the fields of the problems: `recipe.datasets`. Axolotl's schema is not asked: for an entry it is a
    union of five kinds, and speaks of the wrong one.
    """
    if not isinstance(entries, list):
        return Reading(None, problems=(FieldProblem(path, "must be a list that holds one dataset"),))
    if not all(isinstance(entry, Mapping) for entry in entries):
        return Reading(None, problems=(FieldProblem(path, "must hold a mapping with path and type"),))
    if len(entries) != 1:
        message = f"names {len(entries)} datasets; a run trains on one: join their rows into one file"
        return Reading(None, problems=(FieldProblem(path, message),))
    entry = {key: value for key, value in entries[0].items() if not is_empty(value) or key not in known_dataset_keys()}
    source = _source(entry)
    row_format = PAIRS_FORMAT if pairs and entry.get("type") == PAIRS else FORMATS.get(str(entry.get("type")))
    problems = tuple(_problems(entry, source, pairs, f"{path}.0"))
    if problems or source is None or row_format is None:
        return Reading(None, problems=problems)
    return Reading(AdoptedDataset(source, row_format), entry.get("chat_template"))


def _source(entry: Mapping[str, object]) -> str | None:
    """The file or hub id. Axolotl's `path: json` with `data_files` means the one file."""
    path, files = entry.get("path"), entry.get("data_files")
    if files is None:
        return path if isinstance(path, str) and path not in FILE_TYPES else None
    named = [files] if isinstance(files, str) else files
    if path in (*FILE_TYPES, None) and isinstance(named, list) and len(named) == 1 and isinstance(named[0], str):
        return named[0]
    return None


def _problems(entry: Mapping[str, object], source: str | None, pairs: bool, path: str) -> Iterator[FieldProblem]:
    if source is None:
        message = "must name one file or one dataset: path, or path json with a single one of data_files"
        yield FieldProblem(f"{path}.{'data_files' if 'data_files' in entry else 'path'}", message)
    if (wrong := _wrong_type(entry.get("type"), pairs)) is not None:
        yield FieldProblem(f"{path}.type", wrong)
    for key, value in entry.items():
        if key not in UNDERSTOOD and value not in AS_READ.get(key, ()):
            yield FieldProblem(f"{path}.{key}", _not_done(key))


def _not_done(key: str) -> str:
    if key in AS_READ:
        return f"must be {_shown(AS_READ[key][0])}, as rows are read here"
    return OTHERWISE if key in known_dataset_keys() else unknown_dataset_key(key)


def _wrong_type(kind: object, pairs: bool) -> str | None:
    if pairs:
        return None if kind == PAIRS else f"must be {PAIRS}: ORPO reads rows with chosen and rejected messages"
    if kind == PAIRS:
        return "holds preference pairs, which are trained on with rl: orpo"
    if kind == "sharegpt":
        return "is no longer read by Axolotl: write the rows as messages of role and content, and use chat_template"
    return None if isinstance(kind, str) and kind in FORMATS else "must be alpaca, chat_template or completion"


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
