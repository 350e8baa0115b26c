"""Prepares pairs as the node does and has Axolotl and TRL tokenise them for ORPO. Run by the trainer's Python.

`... MODEL FOLDER...`: `FOLDER/case.json` holds `{"config", "dataset", "sequence_len"}`. Prints, as the last line, for
each folder the ids and labels of the preference trainer's rows, and the same of the node's supervised form.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ |= {"HF_HUB_OFFLINE": "1", "AXOLOTL_DO_NOT_TRACK": "1", "ACCELERATE_USE_CPU": "true"}

import torch
from axolotl.core.builders import HFRLTrainerBuilder
from axolotl.utils.config import normalize_config, validate_config
from axolotl.utils.data.rl import prepare_preference_datasets
from axolotl.utils.dict import DictDefault
from transformers import AutoModelForCausalLM, AutoTokenizer

from workers.node.job import DatasetTask
from workers.node.pairs import heldout_form
from workers.node.prepare import prepare
from workers.node.prompts import encode
from workers.node.sources import read_rows

NO_GPU = {"bf16": False, "fp8": False, "tf32": False, "compute_capability": None, "n_gpu": 1}


def trainers_rows(config: dict[str, Any], model: str) -> list[dict[str, Any]]:
    """What the ORPO trainer would train on, made by the code that makes it for a training."""
    config["plugins"] = []
    version = torch.__version__.split("+")[0]
    cfg = validate_config(DictDefault(config), capabilities=NO_GPU, env_capabilities={"torch_version": version})
    normalize_config(cfg)
    tokenizer = AutoTokenizer.from_pretrained(model)
    dataset = prepare_preference_datasets(cfg, tokenizer)[0]
    builder = HFRLTrainerBuilder(cfg, AutoModelForCausalLM.from_pretrained(model), tokenizer, None)
    builder.train_dataset = dataset
    return list(builder.build(10).train_dataset)


def nodes_rows(task: DatasetTask, model: str, sequence_len: int) -> list[dict[str, Any]]:
    """Both answers of every pair, each as the supervised form of the row."""
    tokenizer = AutoTokenizer.from_pretrained(model)
    found = []
    for pair in read_rows(task.source, task.format):
        both = {}
        for name in ("chosen", "rejected"):
            alpaca = heldout_form(task) == "alpaca"
            row = {**pair, "output": pair[name]} if alpaca else {"messages": pair[name]}
            (example,) = encode(row, heldout_form(task), tokenizer, sequence_len)
            both |= {f"{name}_input_ids": example.input_ids, f"{name}_labels": example.labels}
            both[f"{name}_prompt_ids"] = example.prompt_ids
        found.append(both)
    return found


def main(model: str, *folders: str) -> None:
    found = []
    for folder in map(Path, folders):
        case = json.loads((folder / "case.json").read_text())
        task = DatasetTask(**case["dataset"])
        prepare(task, folder / "data", 1)
        nodes = nodes_rows(task, model, case["sequence_len"])
        found.append({"trainer": trainers_rows(case["config"], model), "node": nodes})
    sys.stdout.write("\n" + json.dumps(found) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
