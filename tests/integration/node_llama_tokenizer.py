"""Gives a tiny model the demonstration's kind of tokenizer. Run by the trainer's Python: `... MODEL FOLDER`."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from node_tiny_model import CORPUS

from workers.node.demonstration.tokens import train_tokenizer


def main(model: str, folder: str) -> None:
    shutil.copytree(model, folder, dirs_exist_ok=True)
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        (Path(folder) / name).unlink(missing_ok=True)
    train_tokenizer(CORPUS, 512).save_pretrained(folder)


if __name__ == "__main__":
    main(*sys.argv[1:])
