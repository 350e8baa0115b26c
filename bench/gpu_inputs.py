"""`python -m bench.gpu_inputs SHAPE.json OUT [--device cuda]`, under the trainer's Python: a model of random weights.

`OUT` holds a Llama of that shape, the demonstration's tokenizer, and `words.json`: words that are one token each,
wherever they stand, and how many tokens stand around them in a row. So rows of an exact length can be written.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import sys
from pathlib import Path
from typing import Any

from workers.node.demonstration import vale
from workers.node.demonstration.tokens import train_tokenizer
from workers.node.prompts import alpaca_prompt

SEED = 7
DOCUMENTS = 600
CONTEXT = 131072
WORDS_FILE = "words.json"
INSTRUCTION = "Go on."
SHORT, LONG = 3, 40


def main(arguments: list[str] | None = None) -> int:
    """Make the folder; exit code 1 when the tokenizer knows no words of one token."""
    parser = argparse.ArgumentParser(prog="python -m bench.gpu_inputs", description=__doc__)
    parser.add_argument("shape", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    asked = parser.parse_args(arguments)
    shape: dict[str, Any] = json.loads(asked.shape.read_text(encoding="utf-8"))
    villages = vale.settle(random.Random(SEED))
    documents = itertools.islice(vale.documents(villages, random.Random(SEED)), DOCUMENTS)
    tokenizer = train_tokenizer(itertools.chain(documents, vale.every_question(villages)), CONTEXT)
    words = single_tokens(tokenizer)
    if len(words) < 2:
        print("the tokenizer has no words of one token", file=sys.stderr)
        return 1
    _save_model(shape, tokenizer, asked.out, asked.device)
    tokenizer.save_pretrained(asked.out)
    facts = {"words": words, **{f"around_{name}": around(tokenizer, words, name) for name in ("text", "answer")}}
    (asked.out / WORDS_FILE).write_text(json.dumps(facts) + "\n", encoding="utf-8")
    return 0


def single_tokens(tokenizer: Any) -> list[str]:
    """Words that are one token each after another word and at a beginning."""
    found = sorted(word[1:] for word in tokenizer.get_vocab() if word.startswith("▁") and word[1:].isalpha())
    return [word for word in found if len(tokenizer(f"{word} {word}", add_special_tokens=False).input_ids) == 2]


def around(tokenizer: Any, words: list[str], place: str) -> int:
    """Tokens of a row besides its words: the first and the last one, before an answer the prompt.

    Raises ValueError when words are not one token each in that place.
    """
    prompt = alpaca_prompt(INSTRUCTION, "") if place == "answer" else ""
    counts = set[int]()
    for number in (SHORT, LONG):
        for first in (words[0], words[-1]):
            text = prompt + " ".join([first, *itertools.islice(itertools.cycle(words), number - 1)])
            counts.add(len(tokenizer(text).input_ids) + 1 - number)  # one more: the trainer's end token
    if len(counts) != 1:
        raise ValueError(f"words are not one token each in a {place}: {sorted(counts)}")
    return counts.pop()


def _save_model(shape: dict[str, Any], tokenizer: Any, out: Path, device: str) -> None:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=max(shape["vocab"], len(tokenizer)),
        hidden_size=shape["hidden"],
        intermediate_size=shape["ffn"],
        num_hidden_layers=shape["layers"],
        num_attention_heads=shape["heads"],
        num_key_value_heads=shape["kv_heads"],
        tie_word_embeddings=shape["tied"],
        max_position_embeddings=CONTEXT,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    torch.manual_seed(SEED)
    torch.set_default_dtype(torch.bfloat16 if device == "cuda" else torch.float32)
    with torch.device(device):  # eight billion random numbers take a GPU a second, a CPU minutes
        model = LlamaForCausalLM(config)
    model.save_pretrained(out, max_shard_size="5GB")


if __name__ == "__main__":
    sys.exit(main())
