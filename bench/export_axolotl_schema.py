"""Export Axolotl's configuration schema to the JSON file that the service checks overrides against.

Run with the trainer's Python, from the repository root:

    .trainer/bin/python bench/export_axolotl_schema.py            # rewrites the file
    .trainer/bin/python bench/export_axolotl_schema.py --check    # exit code 1 when it would be written differently

The output depends on the installed versions only: keys are sorted, annotations (titles, descriptions, defaults, some of
which depend on the machine) are left out, and each property has a line of its own, so that an upgrade reads as a diff.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from enum import Enum
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("AXOLOTL_DO_NOT_TRACK", "1")

from axolotl.utils.schemas.config import AxolotlInputConfig
from axolotl.utils.schemas.enums import CustomSupportedOptimizers
from axolotl.utils.schemas.fsdp import FSDPConfig
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from transformers.trainer_utils import SchedulerType
from transformers.training_args import OptimizerNames

FOLDER = Path(__file__).resolve().parents[1] / "orchestrator" / "adapters" / "axolotl"
ANNOTATIONS = frozenset({"title", "description", "default", "deprecated", "help", "examples"})
AXOLOTL_SCHEDULERS = ("one_cycle", "rex")
"""Names that Axolotl's own scheduler mixin knows beside those of Transformers."""


class SchemaGenerator(GenerateJsonSchema):
    """Pydantic's generator, able to pass over values that JSON cannot write (torch dtypes)."""

    def enum_schema(self, schema: Any) -> JsonSchemaValue:
        """An enum of torch dtypes is written by name in a config: any string, read by Axolotl's own validator."""
        members: list[Enum] = schema["members"]
        if all(isinstance(member.value, str | int | float | bool) for member in members):
            return super().enum_schema(schema)
        return {"type": "string"}

    def default_schema(self, schema: Any) -> JsonSchemaValue:
        """Defaults are annotations here, and some are dtypes: only the value's own schema is kept."""
        return self.generate_inner(schema["schema"])


def without_annotations(schema: Any) -> Any:
    """The schema with only what constrains, and closed where Axolotl would silently drop an unknown key."""
    if isinstance(schema, list):
        return [without_annotations(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept: dict[str, Any] = {}
    for key, value in schema.items():
        if key in ("properties", "$defs"):
            # Below these two, keys are names of fields: a field called "title" is no annotation.
            kept[key] = {name: without_annotations(inner) for name, inner in value.items()}
        elif key not in ANNOTATIONS:
            kept[key] = without_annotations(value)
    if "properties" in kept:
        kept.setdefault("additionalProperties", False)
    return kept


def export() -> dict[str, Any]:
    """The schema as a mapping; `x-axolotl` holds the versions, and the names that Axolotl takes as free strings."""
    schema: dict[str, Any] = without_annotations(AxolotlInputConfig.model_json_schema(schema_generator=SchemaGenerator))
    # The generator writes one alias of a field; Axolotl reads them all.
    fsdp = schema["$defs"][FSDPConfig.__name__]["properties"]
    fsdp["version"] = fsdp["fsdp_version"]
    optimizers = {item.value for item in OptimizerNames} | {item.value for item in CustomSupportedOptimizers}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "x-axolotl": {
            "version": version("axolotl"),
            "transformers": version("transformers"),
            "optimizers": sorted(optimizers),
            "lr_schedulers": sorted({item.value for item in SchedulerType} | set(AXOLOTL_SCHEDULERS)),
        },
        **schema,
    }


def as_text(schema: dict[str, Any]) -> str:
    """One line a property and a definition, sorted by name."""
    parts = []
    for key in sorted(schema):
        value = schema[key]
        if key in ("properties", "$defs"):
            lines = ",\n".join(f"  {json.dumps(name)}: {compact(value[name])}" for name in sorted(value))
            parts.append(f" {json.dumps(key)}: {{\n{lines}\n }}")
        else:
            parts.append(f" {json.dumps(key)}: {compact(value)}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def compact(value: Any) -> str:
    """Sorted JSON on one line."""
    return json.dumps(value, sort_keys=True, separators=(", ", ": "))


def main() -> int:
    """Write the file named after the installed version, or with --check only compare."""
    parser = argparse.ArgumentParser(description="Export Axolotl's configuration schema.")
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    arguments = parser.parse_args()
    target = FOLDER / f"axolotl-{version('axolotl')}.schema.json"
    text = as_text(export())
    if arguments.check:
        same = target.is_file() and target.read_text(encoding="utf-8") == text
        sys.stdout.write(f"{target.name}: {'up to date' if same else 'differs'}\n")
        return 0 if same else 1
    target.write_text(text, encoding="utf-8")
    sys.stdout.write(f"{target.name}: {len(text)} bytes\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
