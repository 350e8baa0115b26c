"""A small byte-pair tokenizer in the manner of Llama 2, trained on the text it will meet."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

VOCABULARY = 1024
BOS, EOS, PAD, UNKNOWN = "<s>", "</s>", "<pad>", "<unk>"

# One turn a message, with the alpaca headings that the rows use.
CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}### Response:\n{{ message['content'] }}{{ eos_token }}"
    "{% elif message['role'] == 'system' %}{{ message['content'] }}\n\n"
    "{% else %}### Instruction:\n{{ message['content'] }}\n\n{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}### Response:\n{% endif %}"
)


def train_tokenizer(texts: Iterable[str], sequence_len: int) -> Any:
    """Learn at most `VOCABULARY` tokens from `texts`; returns a `PreTrainedTokenizerFast`.

    A word at the beginning of a line is the same token as after a space. Rows are tokenised with the answer apart from
    the prompt, and the answer must then be the word that the pre-training prose has taught. Unknown text becomes bytes.
    """
    from tokenizers import (
        Regex,
        Tokenizer,
        decoders,
        models,
        pre_tokenizers,
        processors,
        trainers,
    )
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"\n+"), "isolated"),
            pre_tokenizers.Metaspace(prepend_scheme="always"),
            pre_tokenizers.Split(Regex(r"[.,:?]"), "isolated"),
        ]
    )
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Replace(Regex("▁?\n▁?"), "\n"),
            decoders.Replace("▁", " "),
            decoders.Strip(" ", 1, 0),
        ]
    )
    specials = [PAD, BOS, EOS, UNKNOWN]
    byte_tokens = [f"<0x{value:02X}>" for value in range(256)]
    trainer = trainers.BpeTrainer(vocab_size=VOCABULARY, special_tokens=specials + byte_tokens, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer = _make_ordinary(tokenizer, byte_tokens)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A", pair=f"{BOS} $A {BOS} $B", special_tokens=[(BOS, tokenizer.token_to_id(BOS))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=BOS,
        eos_token=EOS,
        pad_token=PAD,
        unk_token=UNKNOWN,
        chat_template=CHAT_TEMPLATE,
        model_max_length=sequence_len,
        clean_up_tokenization_spaces=False,
    )


def _make_ordinary(tokenizer: Any, byte_tokens: list[str]) -> Any:
    """Leave the byte tokens in the vocabulary but not among the special ones, which decoding skips.

    The trainer knows no other way to be given tokens of several characters.
    """
    state = json.loads(tokenizer.to_str())
    state["added_tokens"] = [token for token in state["added_tokens"] if token["content"] not in byte_tokens]
    return type(tokenizer).from_str(json.dumps(state))
