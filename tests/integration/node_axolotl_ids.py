"""Tokenises rows with Axolotl's own dataset code and with the node's. Run by the trainer's Python: `... MODEL ROWS`."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from axolotl.utils.data.sft import prepare_datasets
from axolotl.utils.dict import DictDefault
from transformers import AutoTokenizer

from workers.node.prompts import encode

SEQUENCE_LEN = 96
TYPES = {"alpaca": "alpaca", "messages": "chat_template", "completion": "completion"}


def axolotl_examples(rows: list[dict[str, Any]], row_format: str, tokenizer: Any) -> list[dict[str, Any]]:
    """Through Axolotl's loader, filters and all, as training would; in any order."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "train.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        cfg = DictDefault(
            datasets=[{"path": str(path), "ds_type": "json", "type": TYPES[row_format], "split": "train"}],
            dataset_prepared_path=str(Path(folder) / "prepared"),
            sequence_len=SEQUENCE_LEN,
            val_set_size=0,
            batch_size=1,
            micro_batch_size=1,
            gradient_accumulation_steps=1,
            num_epochs=1,
            seed=1,
            world_size=1,
            dataset_num_proc=1,
            tokenizer_config="tiny",
            train_on_inputs=False,
        )
        dataset = prepare_datasets(cfg, tokenizer)[0]
        return [{"input_ids": list(row["input_ids"]), "labels": list(row["labels"])} for row in dataset]


def node_examples(rows: list[dict[str, Any]], row_format: Any, tokenizer: Any) -> list[dict[str, Any]]:
    """As the evaluation encodes them, without the rows that training would drop for their length."""
    examples = [example for row in rows for example in encode(row, row_format, tokenizer, SEQUENCE_LEN)]
    fitting = [example for example in examples if len(example.input_ids) <= SEQUENCE_LEN]
    return [{"input_ids": list(example.input_ids), "labels": list(example.labels)} for example in fitting]


def main(model: str, rows_path: str) -> None:
    """Print `{format: {"axolotl": [...], "node": [...]}}`, each sorted."""
    tokenizer = AutoTokenizer.from_pretrained(model)
    pairs = {}
    for row_format, rows in json.loads(Path(rows_path).read_text()).items():
        both = {
            "axolotl": axolotl_examples(rows, row_format, tokenizer),
            "node": node_examples(rows, row_format, tokenizer),
        }
        pairs[row_format] = {name: sorted(examples, key=str) for name, examples in both.items()}
    print(json.dumps(pairs))


if __name__ == "__main__":
    main(*sys.argv[1:])
